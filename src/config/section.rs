//! A section of the file, read key by key: every key that is asked for is *taken*, and what remains is unknown.
//!
//! Readers ask for all keys of their section, in a straight line and whatever is wrong with the ones before, so that
//! all mistakes are found in one go and the list of known keys is complete by the time the rest is judged.

use super::mistake::Mistake;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml_edit::{Item, TableLike, Value};

/// The text being read and what was found wrong with it.
pub(super) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    mistakes: RefCell<Vec<(usize, Mistake)>>,
    warnings: RefCell<Vec<(usize, Mistake)>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text, mistakes: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn mistake(&self, place: usize, key: &str, problem: impl Into<String>, advice: impl Into<String>) {
        self.mistakes.borrow_mut().push((place, self.locate(place, key, problem.into(), advice.into())));
    }

    pub(super) fn warning(&self, place: usize, key: &str, problem: impl Into<String>, advice: impl Into<String>) {
        self.warnings.borrow_mut().push((place, self.locate(place, key, problem.into(), advice.into())));
    }

    /// Mistakes and warnings, each in the order of the file.
    pub(super) fn into_findings(self) -> (Vec<Mistake>, Vec<Mistake>) {
        let sorted = |list: RefCell<Vec<(usize, Mistake)>>| {
            let mut list = list.into_inner();
            list.sort_by_key(|(place, _)| *place);
            list.into_iter().map(|(_, mistake)| mistake).collect()
        };
        (sorted(self.mistakes), sorted(self.warnings))
    }

    pub(super) fn locate(&self, place: usize, key: &str, problem: String, advice: String) -> Mistake {
        let before = self.text.get(..place).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Mistake {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            key: key.to_owned(),
            problem,
            advice,
        }
    }
}

/// One table of the file.
pub(super) struct Section<'a> {
    pub(super) source: &'a Source<'a>,
    path: String,
    place: usize,
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
}

struct Entry<'a> {
    key: &'a str,
    key_place: usize,
    item: &'a Item,
    taken: bool,
}

/// A value found under a key.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) value: Option<&'a Value>,
    item: Option<&'a Item>,
    pub(super) place: usize,
}

impl<'a> Section<'a> {
    /// The table itself; `path` is how mistakes name it (`trunk.mango`, empty for the whole file).
    pub(super) fn new(source: &'a Source<'a>, path: impl Into<String>, place: usize, table: &'a dyn TableLike) -> Self {
        let entries = table
            .iter()
            .map(|(key, item)| Entry {
                key,
                key_place: table.key(key).and_then(toml_edit::Key::span).map_or(place, |span| span.start),
                item,
                taken: false,
            })
            .collect();
        Self { source, path: path.into(), place, entries, known: Vec::new() }
    }

    /// A section that is not in the file: everything takes its default.
    pub(super) fn absent(source: &'a Source<'a>, path: impl Into<String>) -> Self {
        Self { source, path: path.into(), place: 0, entries: Vec::new(), known: Vec::new() }
    }

    /// How mistakes name the section.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// `section.key`.
    pub(super) fn full_key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The place of a key's value, or of the section when it has no such key.
    pub(super) fn place_of(&self, key: &str) -> usize {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map_or(self.place, |entry| entry.item.span().map_or(entry.key_place, |span| span.start))
    }

    /// Whether the key is written in the file.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    pub(super) fn mistake(&self, key: &str, problem: impl Into<String>, advice: impl Into<String>) {
        self.source.mistake(self.place_of(key), &self.full_key(key), problem, advice);
    }

    pub(super) fn warning(&self, key: &str, problem: impl Into<String>, advice: impl Into<String>) {
        self.source.warning(self.place_of(key), &self.full_key(key), problem, advice);
    }

    /// Notes that the key must be there, when it is not.
    pub(super) fn require(&self, key: &'static str, example: &str) {
        if !self.has(key) {
            self.mistake(key, "is missing", format!("write, for example: {example}"));
        }
    }

    /// The value of a key.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.known.push(key);
        let entry = self.entries.iter_mut().find(|entry| entry.key == key)?;
        entry.taken = true;
        let place = entry.item.span().map_or(entry.key_place, |span| span.start);
        Some(Found { value: entry.item.as_value(), item: Some(entry.item), place })
    }

    /// The table under a key, inline or not.
    pub(super) fn take_table(&mut self, key: &'static str, example: &str) -> Option<Self> {
        let found = self.take(key)?;
        match found.item.and_then(Item::as_table_like) {
            Some(table) => Some(Self::new(self.source, self.full_key(key), found.place, table)),
            None => {
                self.wrong(key, found, "a table", example);
                None
            }
        }
    }

    /// The tables of `[[key]]`, or of a list of inline tables.
    pub(super) fn take_tables(&mut self, key: &'static str, example: &str) -> Vec<Self> {
        let Some(found) = self.take(key) else { return Vec::new() };
        if let Some(tables) = found.item.and_then(Item::as_array_of_tables) {
            return tables
                .iter()
                .enumerate()
                .map(|(i, table)| {
                    let place = table.span().map_or(found.place, |span| span.start);
                    Self::new(self.source, format!("{key}[{}]", i + 1), place, table)
                })
                .collect();
        }
        let Some(values) = found.value.and_then(Value::as_array) else {
            self.wrong(key, found, "a list of tables", example);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (i, value) in values.iter().enumerate() {
            let place = value.span().map_or(found.place, |span| span.start);
            match value.as_inline_table() {
                Some(table) => sections.push(Self::new(self.source, format!("{key}[{}]", i + 1), place, table)),
                None => self.wrong(key, Found { value: Some(value), item: None, place }, "a table", example),
            }
        }
        sections
    }

    /// Every named table under this section: `[trunk.NAME]`.
    pub(super) fn take_named_tables(&mut self, example: &str) -> Vec<(&'a str, usize, Self)> {
        let mut sections = Vec::new();
        for entry in &mut self.entries {
            entry.taken = true;
            let place = entry.item.span().map_or(entry.key_place, |span| span.start);
            let path = format!("{}.{}", self.path, entry.key);
            match entry.item.as_table_like() {
                Some(table) => {
                    sections.push((entry.key, entry.key_place, Self::new(self.source, path, place, table)));
                }
                None => {
                    let found = Found { value: entry.item.as_value(), item: Some(entry.item), place };
                    self.source.mistake(
                        place,
                        &path,
                        format!("is {}, not a table", describe(found, true)),
                        format!("write, for example: {example}"),
                    );
                }
            }
        }
        sections
    }

    /// Text.
    pub(super) fn text(&mut self, key: &'static str, example: &str) -> Option<&'a str> {
        let found = self.take(key)?;
        let text = found.value.and_then(Value::as_str);
        match text {
            None => self.wrong(key, found, "text", example),
            Some("") => {
                self.mistake(key, "is empty", format!("write, for example: {example}; or leave the key out"));
                return None;
            }
            Some(_) => {}
        }
        text
    }

    /// Text with a meaning; `read` says what is wrong with it.
    pub(super) fn parse<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key, example)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.mistake(key, format!("\"{text}\" {problem}"), format!("write, for example: {example}"));
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Clone>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let example = format!("{key} = \"{}\"", words[0].0);
        let text = self.text(key, &example)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone());
        if found.is_none() {
            self.mistake(
                key,
                format!("\"{text}\" is not known here"),
                one_of(text, words.iter().map(|(word, _)| *word)),
            );
        }
        found
    }

    /// A list of texts, each with a meaning.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        example: &str,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let found = self.take(key)?;
        let Some(values) = found.value.and_then(Value::as_array) else {
            self.wrong(key, found, "a list", example);
            return None;
        };
        let mut list = Vec::with_capacity(values.len());
        for value in values {
            let place = value.span().map_or(found.place, |span| span.start);
            let Some(text) = value.as_str() else {
                self.wrong(key, Found { value: Some(value), item: None, place }, "text", example);
                continue;
            };
            match read(text) {
                Ok(item) => list.push(item),
                Err(problem) => self.source.mistake(
                    place,
                    &self.full_key(key),
                    format!("\"{text}\" {problem}"),
                    format!("write, for example: {example}"),
                ),
            }
        }
        Some(list)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let found = self.take(key)?;
        let flag = found.value.and_then(Value::as_bool);
        if flag.is_none() {
            self.wrong(key, found, "true or false", &format!("{key} = true"));
        }
        flag
    }

    /// A whole number within bounds.
    pub(super) fn whole(&mut self, key: &'static str, bounds: RangeInclusive<u32>, example: &str) -> Option<u32> {
        let found = self.take(key)?;
        let Some(number) = found.value.and_then(Value::as_integer) else {
            self.wrong(key, found, "a whole number", example);
            return None;
        };
        let within = u32::try_from(number).ok().filter(|number| bounds.contains(number));
        if within.is_none() {
            self.mistake(
                key,
                format!("{number} is out of bounds"),
                format!("write a whole number from {} to {}, for example: {example}", bounds.start(), bounds.end()),
            );
        }
        within
    }

    /// Seconds, whole or with a fraction, within bounds.
    pub(super) fn seconds(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<u32>,
        example: &str,
    ) -> Option<Duration> {
        let found = self.take(key)?;
        let number =
            found.value.and_then(|value| value.as_integer().map(|whole| whole as f64).or_else(|| value.as_float()));
        let Some(number) = number else {
            self.wrong(key, found, "a number of seconds", example);
            return None;
        };
        let within = (f64::from(*bounds.start())..=f64::from(*bounds.end())).contains(&number);
        if !within {
            self.mistake(
                key,
                format!("{number} is out of bounds"),
                format!("write seconds from {} to {}, for example: {example}", bounds.start(), bounds.end()),
            );
            return None;
        }
        Some(Duration::from_secs_f64(number))
    }

    /// Notes that a value is of the wrong kind.
    pub(super) fn wrong(&self, key: &str, found: Found<'_>, wanted: &str, example: &str) {
        // What stands under a key that holds a secret is not repeated.
        let shown = !key.contains("password");
        self.source.mistake(
            found.place,
            &self.full_key(key),
            format!("is {}, not {wanted}", describe(found, shown)),
            format!("write, for example: {example}"),
        );
    }

    /// Notes every key that nobody asked for. Last of all.
    pub(super) fn finish(&self) {
        let title = if self.path.is_empty() { "this file".to_owned() } else { format!("[{}]", self.path) };
        for entry in self.entries.iter().filter(|entry| !entry.taken) {
            self.source.mistake(
                entry.key_place,
                &self.full_key(entry.key),
                format!("{title} has no key \"{}\"", entry.key),
                one_of(entry.key, self.known.iter().copied()),
            );
        }
    }
}

/// Says which words would do, the nearest first.
pub(super) fn one_of<'w>(written: &str, words: impl Iterator<Item = &'w str> + Clone) -> String {
    let mut advice = String::new();
    if let Some(near) = nearest(written, words.clone()) {
        let _ = write!(advice, "did you mean \"{near}\"? ");
    }
    let mut words: Vec<&str> = words.collect();
    words.dedup();
    let _ = write!(advice, "known: {}", words.join(", "));
    advice
}

/// The word most like `written`, if one is like it at all.
pub(super) fn nearest<'w>(written: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    words
        .map(|word| (strsim::damerau_levenshtein(&written, &word.replace('-', "_")), word))
        .filter(|(distance, word)| *distance <= 1 + word.len().max(written.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn describe(found: Found<'_>, shown: bool) -> String {
    let Some(value) = found.value else {
        let many = found.item.is_some_and(Item::is_array_of_tables);
        return if many { "a list of tables" } else { "a single table" }.to_owned();
    };
    let kind = match value {
        Value::String(_) => "the text",
        Value::Integer(_) | Value::Float(_) => "the number",
        Value::Boolean(_) => "the word",
        Value::Datetime(_) => "the date",
        Value::Array(_) => return "a list".to_owned(),
        Value::InlineTable(_) => return "a table".to_owned(),
    };
    if !shown {
        return format!("a value like {}", if kind == "the text" { "text" } else { "a number" });
    }
    let written = match value {
        Value::String(text) => format!("\"{}\"", text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(word) => word.value().to_string(),
        Value::Datetime(date) => date.value().to_string(),
        Value::Array(_) | Value::InlineTable(_) => String::new(),
    };
    format!("{kind} {written}")
}
