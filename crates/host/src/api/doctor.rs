//! What is wrong with the host's surroundings, found and mended.

use std::sync::Arc;

use orchflow_core::Refusal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Session;
use super::params::read;
use crate::world::World;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DoctorParams {
    fix: bool,
}

pub(super) async fn call(world: &Arc<World>, session: &Session, params: Value) -> Result<Value, Refusal> {
    let params: DoctorParams = read("doctor", params)?;
    let findings = crate::doctor::examine(world, &session.environment, params.fix).await?;
    Ok(json!({ "findings": findings }))
}
