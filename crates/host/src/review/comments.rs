//! How many comments each hunk has, counted anew once something happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use orchflow_core::event::EventBody;
use orchflow_core::{EventSeq, Refusal};
use orchflow_git::hunk::HunkId;
use orchflow_store::{EventFilter, Page};

use crate::world::{World, lock};

/// The most comments that are counted.
const COMMENTS: usize = 2000;

/// Comments by hunk.
pub type Counts = HashMap<HunkId, usize>;

/// Remembers the newest count, with the newest event it knows of.
pub type Known = Mutex<Option<(EventSeq, Arc<Counts>)>>;

impl World {
    /// Counts the comments on every hunk.
    ///
    /// # Errors
    /// What the store says.
    pub async fn comments(self: &Arc<Self>) -> Result<Arc<Counts>, Refusal> {
        let newest = self.engine().pulse().borrow().seq;
        if let Some((seq, counts)) = lock(&self.review.comments).as_ref()
            && *seq == newest
        {
            return Ok(Arc::clone(counts));
        }
        let filter = EventFilter { types: vec!["hunk_commented".to_owned()], ..EventFilter::default() };
        let rows = self
            .read(move |reader| reader.page(&filter, Page::Before(None), COMMENTS))
            .await
            .map_err(|error| crate::api::store_refusal(&error))?;
        let mut counts = Counts::new();
        for row in &rows {
            if let Ok(EventBody::HunkCommented(body)) = row.body()
                && let Ok(id) = body.hunk.id.parse()
            {
                *counts.entry(id).or_insert(0) += 1;
            }
        }
        let counts = Arc::new(counts);
        *lock(&self.review.comments) = Some((newest, Arc::clone(&counts)));
        Ok(counts)
    }
}
