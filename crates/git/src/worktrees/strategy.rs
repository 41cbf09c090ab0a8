//! The ways a worktree's files can come to be.

use std::fmt;

/// Says how a worktree's files were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// By `git worktree add` alone, for the given reason.
    Plain(Why),
    /// From a template that git checked out, each file read once and written into every new worktree.
    Copy,
    /// As a btrfs snapshot of a template.
    Snapshot,
    /// As an overlay over a template. The mount does not outlive a reboot; it is made again when the worktree is opened.
    Overlay,
    /// It stood there already, complete, from an earlier try.
    Found,
}

/// Says why git alone made a worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is no template yet, and for a single worktree making one is not worth it.
    Single,
    /// The caller wanted it.
    Wanted,
    /// The tree holds submodules.
    Submodules,
    /// The repository uses sparse checkouts.
    Sparse,
    /// The repository stores refs in another form than files.
    RefStorage,
    /// Hooks are set up in the configuration, not as files.
    ConfiguredHooks,
    /// The template could not be made, or its index has a form that is not known.
    Template,
    /// Copying failed, or its result was not what git would have made.
    Mismatch,
}

impl fmt::Display for Strategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Strategy::Plain(why) => {
                let why = match why {
                    Why::Single => "single",
                    Why::Wanted => "wanted",
                    Why::Submodules => "submodules",
                    Why::Sparse => "sparse checkout",
                    Why::RefStorage => "ref storage",
                    Why::ConfiguredHooks => "configured hooks",
                    Why::Template => "no template",
                    Why::Mismatch => "copy failed",
                };
                return write!(formatter, "git ({why})");
            }
            Strategy::Copy => "copy",
            Strategy::Snapshot => "btrfs snapshot",
            Strategy::Overlay => "overlay",
            Strategy::Found => "found",
        };
        formatter.write_str(word)
    }
}
