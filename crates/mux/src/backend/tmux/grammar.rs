//! The grammar of tmux's control mode: bytes in, blocks and notifications out.
//!
//! Every command answers with a block between `%begin TIME NUMBER FLAGS` and `%end` or `%error` with the
//! same three words. Lines inside a block are the command's output and may hold anything, also lines that
//! look like the protocol; only the closing line that repeats the opening one's words ends it. Outside a
//! block a line that begins with `%` is a notification, and any other a message of the client itself. What
//! is unknown is handed on, and what has no end is cut off, so that no server can make this grow without
//! bound or fail. Described in tmux(1), "CONTROL MODE"; transcripts of real servers stand in
//! `tests/fixtures`.

/// The longest line that is kept, in bytes; the rest of a longer one is dropped.
pub const LINE_LIMIT: usize = 256 * 1024;
/// The most output of one command that is kept, in bytes; lines past it are dropped.
pub const BLOCK_LIMIT: usize = 8 * 1024 * 1024;

/// One thing the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command ended.
    Block(Block),
    /// The server lets the client go, with its reason if it gave one; nothing of use follows.
    Exit(Vec<u8>),
    /// Something happened in the server: the name without `%`, and the rest of the line.
    Notification {
        /// For instance `layout-change`.
        name: Vec<u8>,
        /// What follows the name and a space.
        rest: Vec<u8>,
    },
    /// A line outside the protocol: what a client prints about commands it could not even read.
    Text(Vec<u8>),
}

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The number the server gave the command.
    pub number: u64,
    /// 1 where the command was read from an attached client, else 0.
    pub flags: u64,
    /// Whether the command succeeded; if not, the lines hold the server's error.
    pub succeeded: bool,
    /// The output, without line ends.
    pub lines: Vec<Vec<u8>>,
    /// Whether output was dropped because it was too much.
    pub truncated: bool,
}

impl Block {
    /// Gives the output as text, its lines joined by `; `.
    pub fn message(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        lines.join("; ")
    }
}

/// The three words that tie the end of a block to its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Guard {
    time: u64,
    number: u64,
    flags: u64,
}

#[derive(Debug)]
struct OpenBlock {
    guard: Guard,
    block: Block,
    kept: usize,
}

/// Reads a control-mode stream piece by piece; the same bytes give the same events however they are cut.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    cut: bool,
    open: Option<OpenBlock>,
}

impl Parser {
    /// Starts at the beginning of a stream.
    pub fn new() -> Self {
        Parser::default()
    }

    /// Takes the next bytes and gives what they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        // `split` gives at least one piece; the last one has not ended yet.
        let mut piece = pieces.next().unwrap_or_default();
        for next in pieces {
            self.extend_line(piece);
            let line = std::mem::take(&mut self.line);
            let cut = std::mem::take(&mut self.cut);
            events.extend(self.end_line(line, cut));
            piece = next;
        }
        self.extend_line(piece);
        events
    }

    /// Says whether a command's answer has begun and not ended.
    pub fn inside_block(&self) -> bool {
        self.open.is_some()
    }

    fn extend_line(&mut self, piece: &[u8]) {
        let room = LINE_LIMIT - self.line.len();
        let (kept, dropped) = piece.split_at(piece.len().min(room));
        self.line.extend_from_slice(kept);
        self.cut |= !dropped.is_empty();
    }

    fn end_line(&mut self, line: Vec<u8>, cut: bool) -> Option<Event> {
        let Some(open) = &mut self.open else {
            return self.outside(&line);
        };
        if let Some((succeeded, guard)) = closing(&line)
            && guard == open.guard
        {
            let mut block = self.open.take()?.block;
            block.succeeded = succeeded;
            return Some(Event::Block(block));
        }
        open.block.truncated |= cut;
        open.kept += line.len() + 1;
        if open.kept > BLOCK_LIMIT {
            open.block.truncated = true;
        } else {
            open.block.lines.push(line);
        }
        None
    }

    fn outside(&mut self, line: &[u8]) -> Option<Event> {
        let Some(words) = line.strip_prefix(b"%") else {
            return (!line.is_empty()).then(|| Event::Text(line.to_vec()));
        };
        let (name, rest) = split_word(words);
        if name == b"begin"
            && let Some(guard) = guard(rest)
        {
            let block = Block {
                number: guard.number,
                flags: guard.flags,
                succeeded: false,
                lines: Vec::new(),
                truncated: false,
            };
            self.open = Some(OpenBlock { guard, block, kept: 0 });
            return None;
        }
        if name == b"exit" {
            return Some(Event::Exit(rest.to_vec()));
        }
        Some(Event::Notification { name: name.to_vec(), rest: rest.to_vec() })
    }
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = text.splitn(2, |byte| *byte == b' ');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

fn closing(line: &[u8]) -> Option<(bool, Guard)> {
    let (name, rest) = split_word(line);
    let succeeded = match name {
        b"%end" => true,
        b"%error" => false,
        _ => return None,
    };
    Some((succeeded, guard(rest)?))
}

fn guard(words: &[u8]) -> Option<Guard> {
    let mut numbers = std::str::from_utf8(words).ok()?.split(' ').map(|word| word.parse::<u64>().ok());
    let guard = Guard { time: numbers.next()??, number: numbers.next()??, flags: numbers.next()?? };
    numbers.next().is_none().then_some(guard)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(number: u64, succeeded: bool, lines: &[&str]) -> Event {
        let lines = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        Event::Block(Block { number, flags: 1, succeeded, lines, truncated: false })
    }

    fn notification(name: &str, rest: &str) -> Event {
        Event::Notification { name: name.into(), rest: rest.into() }
    }

    fn read(text: &[u8]) -> Vec<Event> {
        Parser::new().feed(text)
    }

    #[test]
    fn blocks_and_notifications_are_told_apart() {
        let text = b"%begin 9 1 1\na\n\n b\n%end 9 1 1\n%sessions-changed\n%begin 9 2 1\nno\n%error 9 2 1\n\
            %layout-change @0 e112,200x50,0,0 x *\n%exit too old\n";
        let expected = vec![
            block(1, true, &["a", "", " b"]),
            notification("sessions-changed", ""),
            block(2, false, &["no"]),
            notification("layout-change", "@0 e112,200x50,0,0 x *"),
            Event::Exit(b"too old".to_vec()),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn output_that_imitates_the_protocol_stays_output() {
        let text = b"%begin 9 1 1\n%end 9 2 1\n%end 9 1 0\n%end 9 1 1 \n%begin 9 3 1\n%exit\n%output %1 x\n%end\n%end 9 1 1\n";
        let lines =
            ["%end 9 2 1", "%end 9 1 0", "%end 9 1 1 ", "%begin 9 3 1", "%exit", "%output %1 x", "%end"];
        assert_eq!(read(text), vec![block(1, true, &lines)]);
    }

    #[test]
    fn what_is_unknown_is_handed_on() {
        let text = b"\nhello\n\x1bP1000p\n%begin x\n%\n%new-thing a\xff b\n%end 1 2 3\n";
        let expected = vec![
            Event::Text(b"hello".to_vec()),
            Event::Text(b"\x1bP1000p".to_vec()),
            notification("begin", "x"),
            notification("", ""),
            Event::Notification { name: b"new-thing".to_vec(), rest: b"a\xff b".to_vec() },
            notification("end", "1 2 3"),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn a_line_without_end_is_cut_off() {
        let mut parser = Parser::new();
        assert!(parser.feed(b"%begin 1 1 1\n").is_empty());
        for _ in 0..64 {
            assert!(parser.feed(&[b'x'; 65_536]).is_empty());
            assert!(parser.line.len() <= LINE_LIMIT && parser.line.capacity() <= 2 * LINE_LIMIT);
        }
        let events = parser.feed(b"\n%end 1 1 1\n%exit\n");
        let [Event::Block(block), Event::Exit(_)] = &events[..] else { panic!("{events:?}") };
        assert!(block.truncated);
        assert_eq!(block.lines.len(), 1);
        assert_eq!(block.lines[0].len(), LINE_LIMIT);
    }

    #[test]
    fn endless_output_is_cut_off() {
        let mut parser = Parser::new();
        parser.feed(b"%begin 1 1 1\n");
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..BLOCK_LIMIT / 1024 + 100 {
            assert!(parser.feed(&line).is_empty());
        }
        let events = parser.feed(b"%end 1 1 1\n");
        let [Event::Block(block)] = &events[..] else { panic!("one block") };
        assert!(block.truncated);
        assert_eq!(block.lines.len(), BLOCK_LIMIT / 1024);
    }

    /// Lines that are likelier to reach the corners of the grammar than random bytes.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            (0..3u64, 0..3u64).prop_map(|(time, number)| format!("%begin {time} {number} 1").into_bytes()),
            (0..3u64, 0..3u64).prop_map(|(time, number)| format!("%end {time} {number} 1").into_bytes()),
            (0..3u64, 0..3u64).prop_map(|(time, number)| format!("%error {time} {number} 1").into_bytes()),
            Just(b"%exit".to_vec()),
            Just(b"%begin 99999999999999999999999 1 1".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_and_cuts_do_not_matter(
            lines in proptest::collection::vec(line(), 0..30),
            cuts in proptest::collection::vec(0usize..2000, 0..20),
        ) {
            let stream = lines.join(&b'\n');
            let whole = Parser::new().feed(&stream);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut parser = Parser::new();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([stream.len()]) {
                pieces.extend(parser.feed(&stream[from..cut]));
                from = cut;
            }
            prop_assert_eq!(pieces, whole);
        }
    }
}
