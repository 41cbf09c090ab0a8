//! Reading a filter, and saying what is wrong with one.

use super::kinds::{self, Is};
use super::{AgentPattern, FilePattern, Filter, Moment, Scope, Sides};
use crate::id::is_agent_name;
use crate::{Code, Refusal};

/// Names, each with its other name and the scopes it means something in.
const NAMES: &[(&str, &str, &[Scope])] = &[
    ("agent", "ai", &[Scope::Events, Scope::Hunks, Scope::Agents]),
    ("file", "path", &[Scope::Events, Scope::Hunks]),
    ("type", "", &[Scope::Events, Scope::Hunks]),
    ("is", "", &[Scope::Events, Scope::Hunks, Scope::Agents]),
    ("turn", "", &[Scope::Events, Scope::Hunks]),
    ("run", "", &[Scope::Events, Scope::Hunks, Scope::Agents]),
    ("since", "", &[Scope::Events]),
    ("until", "", &[Scope::Events]),
];

/// One word of a filter, quotes taken away.
struct Word {
    /// As it was typed.
    typed: String,
    excludes: bool,
    /// The name before the colon, in lower case.
    name: Option<String>,
    /// The parts of the value between commas; of text the one whole word.
    parts: Vec<String>,
}

pub(super) fn read(scope: Scope, text: &str) -> Result<Filter, Refusal> {
    let mut filter = Filter::default();
    for word in words(text)? {
        add(&mut filter, scope, word)?;
    }
    Ok(filter)
}

/// Takes a text apart.
fn words(text: &str) -> Result<Vec<Word>, Refusal> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.extend(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// Takes the first word of a text that begins with one; `None` where nothing is left of it.
fn word(text: &str) -> Result<(Option<Word>, &str), Refusal> {
    let excludes = text.starts_with('-') && text[1..].starts_with(|c: char| !c.is_whitespace());
    let body = if excludes { &text[1..] } else { text };
    let letters = body.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name =
        body.get(letters..).filter(|rest| letters > 0 && rest.starts_with(':')).map(|_| &body[..letters]);
    let value = name.map_or(body, |name| &body[name.len() + 1..]);

    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut end = value.len();
    let mut chars = value.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted && chars.peek().is_some_and(|(_, next)| matches!(next, '"' | '\\')) => {
                if let Some((_, next)) = chars.next() {
                    parts[last].push(next);
                }
            }
            ',' if !quoted && name.is_some() => parts.push(String::new()),
            c if !quoted && c.is_whitespace() => {
                end = at;
                break;
            }
            c => parts[last].push(c),
        }
    }
    let length = text.len() - value.len() + end;
    let typed = text[..length].to_owned();
    if quoted {
        return Err(usage(format!("the quote in {typed} is not closed")).hint("close it with \""));
    }
    let is_nothing = name.is_none() && parts.iter().all(String::is_empty);
    let name = name.map(str::to_ascii_lowercase);
    Ok(((!is_nothing).then_some(Word { typed, excludes, name, parts }), &text[length..]))
}

fn add(filter: &mut Filter, scope: Scope, word: Word) -> Result<(), Refusal> {
    let Some(name) = &word.name else {
        let text = word.parts.concat();
        // What is no word cannot occur as one: a lone dash between words asks for nothing.
        if text.chars().any(char::is_alphanumeric) {
            side(&mut filter.text, word.excludes).push(text);
        }
        return Ok(());
    };
    let Some((name, _, scopes)) = NAMES.iter().find(|(known, other, _)| known == name || other == name)
    else {
        return Err(unknown_name(scope, name, &word.typed));
    };
    if !scopes.contains(&scope) {
        return Err(usage(format!("{} {}", word.typed, means_nothing(scope))).hint(names_hint(scope)));
    }
    if word.parts.iter().any(String::is_empty) {
        let message = match word.parts.as_slice() {
            [_] => format!("{} says nothing after the colon", word.typed),
            _ => format!("{} has a comma too much", word.typed),
        };
        return Err(usage(message).hint(example(name)));
    }
    match *name {
        "agent" => side(&mut filter.agents, word.excludes).extend(each(&word, agent)?),
        "file" => {
            let patterns = word.parts.iter().map(|part| FilePattern(part.clone().into_bytes()));
            side(&mut filter.files, word.excludes).extend(patterns);
        }
        "type" => {
            side(&mut filter.types, word.excludes).extend(each(&word, |part| known_type(scope, part))?);
        }
        "is" => side(&mut filter.is, word.excludes).push(each(&word, |part| known_is(scope, part))?),
        "turn" => side(&mut filter.turns, word.excludes).extend(each(&word, |part| number("turn", part))?),
        "run" => side(&mut filter.runs, word.excludes).extend(each(&word, |part| number("run", part))?),
        _ => {
            let moment = moment(&word, name)?;
            let place = if *name == "since" { &mut filter.since } else { &mut filter.until };
            if place.replace(moment).is_some() {
                return Err(usage(format!("{name} stands twice")).hint(format!("leave one {name}: away")));
            }
        }
    }
    Ok(())
}

fn side<T>(sides: &mut Sides<T>, excludes: bool) -> &mut Vec<T> {
    if excludes { &mut sides.exclude } else { &mut sides.include }
}

fn each<T>(word: &Word, read: impl Fn(&str) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
    word.parts.iter().map(|part| read(part)).collect()
}

fn agent(text: &str) -> Result<AgentPattern, Refusal> {
    let (run, name) = match text.split_once('/') {
        Some((run, name)) => (Some(run), name),
        None => (None, text),
    };
    let run =
        run.map(|run| run.parse::<u64>().ok().filter(|_| run.bytes().all(|byte| byte.is_ascii_digit())));
    // A star may stand where a name's first letter must be.
    let is_name = is_agent_name(&name.replace('*', "a")) || name == "*";
    match run {
        None if is_name => Ok(AgentPattern { run: None, name: name.to_owned() }),
        Some(Some(run)) if is_name => Ok(AgentPattern { run: Some(run), name: name.to_owned() }),
        _ => {
            Err(usage(format!("{text:?} cannot be an agent"))
                .hint("agents look like claude, 7/claude, claude*"))
        }
    }
}

fn known_type(scope: Scope, text: &str) -> Result<String, Refusal> {
    let words = kinds::type_words(scope);
    let wanted = text.to_ascii_lowercase();
    if words.contains(&wanted.as_str()) {
        return Ok(wanted);
    }
    let shown: Vec<&str> =
        if scope == Scope::Events { kinds::event_groups().collect() } else { words.clone() };
    let hint = match nearest(&wanted, words) {
        Some(near) => format!("did you mean {near}? There are: {}", shown.join(", ")),
        None => format!("there are: {}", shown.join(", ")),
    };
    let what = if scope == Scope::Events { "event type" } else { "type of hunk" };
    Err(usage(format!("there is no {what} {text:?}")).hint(hint))
}

fn known_is(scope: Scope, text: &str) -> Result<Is, Refusal> {
    let wanted = text.to_ascii_lowercase();
    if let Some(is) = Is::of(scope).find(|is| is.word() == wanted) {
        return Ok(is);
    }
    let words: Vec<&str> = Is::of(scope).map(Is::word).collect();
    let hint = match nearest(&wanted, words.clone()) {
        Some(near) => format!("did you mean is:{near}? There are: {}", words.join(", ")),
        None => format!("there are: {}", words.join(", ")),
    };
    Err(usage(format!("is:{text} {}", means_nothing(scope))).hint(hint))
}

fn number(name: &str, text: &str) -> Result<i64, Refusal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>().ok().filter(|number| is_number && *number != 0) {
        Some(number) => Ok(number),
        None => Err(usage(format!("{name}:{text} is no {name}")).hint(example(name))),
    }
}

fn moment(word: &Word, name: &str) -> Result<Moment, Refusal> {
    if word.excludes {
        let other = if name == "since" { "until" } else { "since" };
        return Err(usage(format!("{} cannot be left out", word.typed))
            .hint(format!("{other}: is the other side of {name}:")));
    }
    match word.parts.as_slice() {
        [one] => Moment::parse(one).ok_or_else(|| usage(format!("{one:?} is no time")).hint(example(name))),
        _ => Err(usage(format!("{} has more than one time", word.typed)).hint(example(name))),
    }
}

fn example(name: &str) -> String {
    match name {
        "agent" => "agents look like agent:claude, agent:7/claude, agent:claude*".to_owned(),
        "file" => "files look like file:src/main.rs, file:src/**, file:*.md".to_owned(),
        "type" => "types look like type:edit, type:tool,approval".to_owned(),
        "is" => "for instance is:unseen, is:human, is:waiting".to_owned(),
        "turn" => "turns count from 1, or back from the newest, which is -1".to_owned(),
        "run" => "runs count from 1, or back from the newest, which is -1".to_owned(),
        name => format!(
            "times look like {name}:90s, {name}:10m, {name}:2h, {name}:3d, {name}:14:02, {name}:2026-11-25T14:02"
        ),
    }
}

fn unknown_name(scope: Scope, name: &str, typed: &str) -> Refusal {
    let names = NAMES.iter().filter(|(_, _, scopes)| scopes.contains(&scope));
    let near =
        nearest(name, names.flat_map(|(name, other, _)| [*name, *other]).filter(|name| !name.is_empty()));
    let meant = near.map_or_else(|| names_hint(scope), |near| format!("did you mean {near}:?"));
    let quoted = typed.replace('"', "");
    usage(format!("there is no filter {name}:"))
        .hint(format!("{meant}; as text it is \"{quoted}\", in quotes"))
}

fn names_hint(scope: Scope) -> String {
    let names = NAMES.iter().filter(|(_, _, scopes)| scopes.contains(&scope));
    let names: Vec<String> = names.map(|(name, ..)| format!("{name}:")).collect();
    format!("there are: {}", names.join(" "))
}

fn means_nothing(scope: Scope) -> &'static str {
    match scope {
        Scope::Events => "means nothing for events",
        Scope::Hunks => "means nothing for hunks",
        Scope::Agents => "means nothing for agents",
    }
}

fn usage(message: String) -> Refusal {
    Refusal::new(Code::Usage, message)
}

/// Finds the word that was probably meant: the one with the fewest slips of the finger, if they are few.
pub fn nearest<'a>(wrong: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: Vec<char> = wrong.chars().take(64).collect();
    let near = words.into_iter().map(|word| {
        let letters: Vec<char> = word.chars().collect();
        // Who stops in the middle of a word means it.
        let begins = wrong.len() >= 3 && letters.starts_with(&wrong);
        (if begins { 1 } else { slips(&wrong, &letters) }, word)
    });
    let allowed = (wrong.len() / 3).clamp(1, 4);
    near.min_by_key(|(slips, _)| *slips).filter(|(slips, _)| *slips <= allowed).map(|(_, word)| word)
}

/// Counts the letters to be added, taken away, replaced or swapped with their neighbour.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX / 2);
    for (i, letter) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let mut fewest =
                (at(&last, j) + usize::from(letter != other)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swapped = i > 0 && j > 0 && a.get(i - 1) == Some(other) && b.get(j - 1) == Some(letter);
            if is_swapped {
                fewest = fewest.min(at(&before_last, j - 1) + 1);
            }
            row.push(fewest);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}
