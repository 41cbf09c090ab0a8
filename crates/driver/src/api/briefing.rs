//! What a model is told before everything else.

use std::io::Read;
use std::path::Path;

/// Files in which projects instruct agents, and most bytes read of one.
const FILES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];
const LIMIT: u64 = 32 << 10;

/// Writes the briefing: who it is, where it works, how, and what the project says.
pub fn briefing(name: &str, worktree: &Path, more: &str) -> String {
    let mut text = format!(
        "You are {name}, a coding agent. You work in a git worktree of your own; a human sees each change and \
         decides about it hunk by hunk.\n\
         Working directory: {worktree}\n\n\
         Do what you are asked, completely, by using your tools; do not only describe it. Look before you change: \
         read the files that matter and follow their style. Keep changes small and to the point. Where the project \
         has tests that bear on your change, run them. Do not commit, push, or change branches unless you are asked \
         to. When a tool fails, its text says why; mend the call and go on. When the human denies a tool, respect \
         the reason and find another way or stop.\n\
         When you are done, say in a few sentences what you changed and why, and what you could not do.",
        worktree = worktree.display()
    );
    for part in [more.trim(), &instructions(worktree)] {
        if !part.is_empty() {
            text.push_str("\n\n");
            text.push_str(part);
        }
    }
    text
}

/// Reads the project's own instructions. A link among them is not followed: it could lead out of the worktree.
fn instructions(worktree: &Path) -> String {
    let mut out = String::new();
    for name in FILES {
        let path = worktree.join(name);
        if !std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
        if read.is_err() || bytes.contains(&0) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        let cut = if bytes.len() as u64 == LIMIT { "\n[cut here; read the file for the rest]" } else { "" };
        out.push_str(&format!("Instructions of this project, from {name}:\n\n{}{cut}\n\n", text.trim()));
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_instructions_are_read_bounded_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let plain = briefing("gpt", &tree, "");
        assert!(
            plain.contains(&format!("Working directory: {}", tree.display())) && !plain.contains("AGENTS")
        );
        std::fs::write(folder.path().join("secret"), "top secret").unwrap();
        std::os::unix::fs::symlink("../secret", tree.join("CLAUDE.md")).unwrap();
        std::fs::write(tree.join("AGENTS.md"), "Use tabs.\n".repeat(10_000)).unwrap();
        let text = briefing("gpt", &tree, "Be brief.");
        assert!(text.contains("from AGENTS.md") && text.contains("[cut here") && text.contains("Be brief."));
        assert!(!text.contains("top secret") && text.len() < 40_000);
    }
}
