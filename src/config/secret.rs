//! Secrets of the configuration: `{ env = "NAME" }`, `{ file = "path" }` or the text itself.

use super::section::Section;
use super::{Context, values};
use voip_core::redact::Secret;

const EXAMPLE: &str =
    "password = { env = \"TRUNK_PASSWORD\" }, password = { file = \"password.txt\" } or the password itself in quotes";

/// Reads the secret under `key`.
pub(super) fn read(section: &mut Section<'_>, key: &'static str, context: &Context<'_>) -> Option<Secret> {
    if !section.has(key) {
        // Asked for all the same, so that the key is known.
        section.take(key);
        return None;
    }
    let found = section.take(key)?;
    if let Some(text) = found.value.and_then(toml_edit::Value::as_str) {
        if text.is_empty() {
            section.mistake(key, "is empty", format!("write {EXAMPLE}"));
            return None;
        }
        return Some(Secret::new(text));
    }
    let mut table = section.take_table(key, EXAMPLE)?;
    let variable = table.text("env", "env = \"TRUNK_PASSWORD\"").map(str::to_owned);
    let file = table.text("file", "file = \"password.txt\"").map(str::to_owned);
    table.finish();
    match (variable, file) {
        (Some(variable), None) => match context.environment.variable(&variable) {
            Some(value) if value.is_empty() => {
                table.mistake("env", format!("the environment variable {variable} is empty"), fill(&variable));
                None
            }
            Some(value) => Some(Secret::new(value)),
            None => {
                table.mistake("env", format!("the environment variable {variable} is not set"), fill(&variable));
                None
            }
        },
        (None, Some(file)) => {
            let path = context.path(&file);
            let secret = match context.environment.read(&path) {
                Ok(bytes) => String::from_utf8(bytes).map_err(|_| "holds something other than UTF-8 text".to_owned()),
                Err(error) => Err(format!("cannot be read: {}", values::io_error(&error))),
            };
            // The newline that editors put at the end does not belong to the secret; blanks may.
            let secret = secret.and_then(|text| match text.trim_end_matches(['\r', '\n']) {
                "" => Err("is empty".to_owned()),
                text if text.contains('\n') => Err("has more than one line".to_owned()),
                text => Ok(Secret::new(text)),
            });
            match secret {
                Ok(secret) => Some(secret),
                Err(problem) => {
                    let advice = "put the password alone into that file, readable for the user who runs the gateway";
                    table.mistake("file", format!("{} {problem}", path.display()), advice);
                    None
                }
            }
        }
        (Some(_), Some(_)) => {
            section.mistake(key, "has both env and file", format!("write one: {EXAMPLE}"));
            None
        }
        (None, None) => {
            if !table.has("env") && !table.has("file") {
                section.mistake(key, "says nowhere to find the password", format!("write {EXAMPLE}"));
            }
            None
        }
    }
}

fn fill(variable: &str) -> String {
    format!("set it before starting: export {variable}=...")
}
