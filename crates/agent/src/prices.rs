//! The table of prices: the one that comes along, and the user's before it.

use std::path::Path;

use orchflow_core::price::Prices;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Gives the prices that come along.
pub fn builtin() -> Prices {
    toml::from_str(include_str!("prices.toml")).unwrap_or_default()
}

/// Gives the prices that come along behind those of the user's file, if there is one.
///
/// # Errors
/// A sentence that names the file and what is wrong with it.
pub fn load(file: &Path) -> Result<Prices, String> {
    let wrong = |why: String| format!("{} is wrong: {}", file.display(), why.trim());
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(builtin()),
        Err(error) => return Err(wrong(error.to_string())),
        Ok(metadata) if metadata.len() > LARGEST => {
            return Err(wrong("it is larger than a megabyte".to_owned()));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let own: Prices = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    own.check().map_err(wrong)?;
    Ok(builtin().overridden_by(own))
}

#[cfg(test)]
mod tests {
    use orchflow_core::price::Tokens;

    use super::*;

    #[test]
    fn the_table_is_sound_and_dated() {
        let prices = builtin();
        assert!(prices.price.len() > 10 && prices.dated.len() == 10);
        prices.check().unwrap();
        let tokens = Tokens { input: 1_000_000, output: 1_000_000, ..Tokens::default() };
        assert_eq!(prices.cost(Some("gpt-5"), tokens), Some(11_250_000_000));
        assert_eq!(
            prices.cost(Some("gpt-9.9"), tokens),
            None,
            "an unknown model is not priced as its sister"
        );
        assert_eq!(prices.cost(Some("claude-opus-5-5"), tokens), None);
        let [alias, dated] = ["claude-haiku-4-5", "claude-haiku-4-5-20251001"];
        assert_eq!(prices.cost(Some(alias), tokens), prices.cost(Some(dated), tokens));
    }

    #[test]
    fn the_users_file_overrides_and_its_faults_are_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("prices.toml");
        assert_eq!(load(&file).unwrap(), builtin());
        std::fs::write(&file, "dated = '2026-11-01'\n[[price]]\nmodel = 'gpt-9.9*'\ninput = 2\noutput = 12")
            .unwrap();
        let prices = load(&file).unwrap();
        let tokens = Tokens { output: 1_000_000, ..Tokens::default() };
        assert_eq!(prices.cost(Some("gpt-9.9-x"), tokens), Some(12_000_000_000));
        for (text, named) in [
            ("[[price]]\nmodle = 'x'", "modle"),
            ("[[price]]\nmodel = ''\n", "model's name"),
            ("[[price]]\nmodel = 'x'\ninput = -1", "\"x\""),
            ("[[price", "prices.toml"),
        ] {
            std::fs::write(&file, text).unwrap();
            let why = load(&file).unwrap_err();
            assert!(why.contains(named) && why.contains("prices.toml"), "{why}");
        }
    }
}
