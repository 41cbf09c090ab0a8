//! The control-mode grammar over what real tmux servers wrote (`fixtures/tmux-README.md`).

use orchflow_mux::backend::tmux::grammar::{Block, Event, Parser};

const ATTACHED: [(&str, &[u8]); 2] = [
    ("3.3a", include_bytes!("fixtures/tmux-3.3a.attached")),
    ("3.8", include_bytes!("fixtures/tmux-3.8.attached")),
];
const UNATTACHED: [(&str, &[u8]); 2] = [
    ("3.3a", include_bytes!("fixtures/tmux-3.3a.unattached")),
    ("3.8", include_bytes!("fixtures/tmux-3.8.unattached")),
];

fn blocks(events: &[Event]) -> Vec<&Block> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Block(block) => Some(block),
            _ => None,
        })
        .collect()
}

fn text(block: &Block) -> (bool, String) {
    (block.succeeded, block.message())
}

#[test]
fn an_attached_conversation_is_read_whole() {
    for (version, bytes) in ATTACHED {
        let events = Parser::new().feed(bytes);
        let answers = blocks(&events);
        let replies: Vec<_> =
            answers.iter().filter(|block| block.flags == 1).map(|block| text(block)).collect();
        let expected = [
            (true, "one"),
            (true, "two"),
            (false, "parse error: unknown command: bogus"),
            (true, "a"),
            (false, "can't find pane: %99"),
            (true, "%1"),
            (true, ""),
            (true, "%0 ; %1 x; %end 1 2 3; %exit; \x1b[31m\u{fffd}"),
            (true, ""),
            (true, "%2"),
        ];
        for (reply, (succeeded, message)) in replies.iter().zip(expected) {
            assert_eq!(*reply, (succeeded, message.to_owned()), "tmux {version}");
        }
        let hooked = answers.iter().filter(|block| block.flags == 0).map(|block| block.message());
        assert_eq!(hooked.collect::<Vec<_>>(), ["", "hooked"], "tmux {version}");

        let notified: Vec<String> = events
            .iter()
            .filter_map(|event| match event {
                Event::Notification { name, .. } => Some(String::from_utf8_lossy(name).into_owned()),
                _ => None,
            })
            .collect();
        for name in [
            "session-changed",
            "layout-change",
            "subscription-changed",
            "output",
            "window-pane-changed",
            "window-renamed",
            "window-add",
            "session-window-changed",
            "sessions-changed",
            "unlinked-window-close",
            "session-renamed",
        ] {
            assert!(notified.iter().any(|known| known == name), "tmux {version} sends {name}: {notified:?}");
        }
        let output = events.iter().find_map(|event| match event {
            Event::Notification { name, rest } if name == b"output" => Some(rest.as_slice()),
            _ => None,
        });
        let expected: &[u8] = b"%2 a\\010\\033[31m\\001 \xc3\xa4 \xff\\015\\012";
        assert_eq!(output, Some(expected), "tmux {version}");
        assert_eq!(events.last(), Some(&Event::Exit(Vec::new())), "tmux {version}");
    }
}

#[test]
fn an_unattached_conversation_is_read_whole() {
    for (version, bytes) in UNATTACHED {
        let events = Parser::new().feed(bytes);
        let expected = [
            (true, "marker-0"),
            (true, "%1"),
            (true, "hooked"),
            (true, "marker-1"),
            (true, ""),
            (true, "marker-2"),
            (true, "%0 100; %1 99"),
            (true, "marker-3"),
            (false, "can't find pane: %99"),
        ]
        .map(|(succeeded, message)| (succeeded, message.to_owned()));
        let read: Vec<_> = blocks(&events).into_iter().map(text).collect();
        assert_eq!(read, expected, "tmux {version}");
        assert_eq!(events.last(), Some(&Event::Exit(Vec::new())), "tmux {version}");
    }
}

#[test]
fn a_transcript_reads_the_same_byte_by_byte() {
    for (version, bytes) in ATTACHED.into_iter().chain(UNATTACHED) {
        let mut parser = Parser::new();
        let singly: Vec<Event> = bytes.iter().flat_map(|byte| parser.feed(&[*byte])).collect();
        assert_eq!(singly, Parser::new().feed(bytes), "tmux {version}");
        assert!(!parser.inside_block(), "tmux {version}");
    }
}
