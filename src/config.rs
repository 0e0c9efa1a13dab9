//! The configuration of a gateway, read from one TOML file. `docs/configuration.md` is its manual.
//!
//! Reading finds every mistake at once and names each with its place and the way out ([`ConfigError`]). What comes out
//! is plain data with all defaults filled in, overrides merged and secrets resolved: whoever uses it looks nothing up.
//! Nothing here listens, connects or writes; files and variables come through an [`Environment`].

mod check;
mod environment;
mod gateway;
mod mistake;
mod secret;
mod section;
mod tls;
mod trunk;
mod values;

#[cfg(test)]
mod tests;

pub use environment::{Environment, FixedEnvironment, ProcessEnvironment};
pub use gateway::{
    CallRecords, Gateway, Limits, Listen, Media, PortRange, Route, SessionTimer, UnknownSources, default_status_socket,
};
pub use mistake::{ConfigError, Mistake};
pub use tls::{ServerIdentity, TlsClient};
pub use trunk::{CalledNumberSource, CallerShown, Dtmf, Identify, Registration, Trunk};
pub use values::ServerUri;

use section::{Section, Source};
use std::path::{Path, PathBuf};
use toml_edit::Document;
use voip_core::net::Transport;

/// A whole, checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: Gateway,
    /// `[[listen]]`, in the order of the file; UDP and TCP on port 5060 when the file has none.
    pub listen: Vec<Listen>,
    /// `[trunk.NAME]`, in the order of the file.
    pub trunks: Vec<Trunk>,
    /// `[media]`: each trunk has its own copy with its overrides.
    pub media: Media,
    /// `[session_timer]`: each trunk has its own copy with its overrides.
    pub session_timer: SessionTimer,
    /// `[[route]]`, in the order in which they are tried.
    pub routes: Vec<Route>,
    /// `[limits]`.
    pub limits: Limits,
    /// What is allowed and yet probably not meant.
    pub warnings: Vec<Mistake>,
}

impl Config {
    /// Reads a configuration file.
    pub fn from_file(path: &Path, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let (name, text) = read_file(path, environment)?;
        Self::parse(&text, &name, environment)
    }

    /// Reads a configuration from its text. `name` names it in mistakes; paths in it are relative to the directory of
    /// `name`.
    pub fn parse(text: &str, name: &str, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let source = Source::new(name, text);
        let document = parse_document(text, &source)?;
        let context = Context { environment, directory: directory_of(name) };
        let config = Self::read(Section::new(&source, "", 0, document.as_table()), &context);
        let (mistakes, warnings) = source.into_findings();
        match config {
            Some(config) if mistakes.is_empty() => Ok(Self { warnings, ..config }),
            Some(_) | None => Err(ConfigError { mistakes }),
        }
    }

    fn read(mut file: Section<'_>, context: &Context<'_>) -> Option<Self> {
        let source = file.source;
        let or_absent = |section: Option<_>, path: &str| section.unwrap_or_else(|| Section::absent(source, path));
        let mut gateway_section = or_absent(file.take_table("gateway", "[gateway]"), "gateway");
        let listen_sections = file.take_tables("listen", "[[listen]]");
        let trunk_section = file.take_table("trunk", "[trunk.NAME]");
        let mut media_section = or_absent(file.take_table("media", "[media]"), "media");
        let mut timer_section = or_absent(file.take_table("session_timer", "[session_timer]"), "session_timer");
        let route_sections = file.take_tables("route", "[[route]]");
        let mut limits_section = or_absent(file.take_table("limits", "[limits]"), "limits");
        file.finish();

        let gateway = Gateway::read(&mut gateway_section, context);
        let media = Media::default().read(&mut media_section);
        media_section.finish();
        let session_timer = SessionTimer::default().read(&mut timer_section);
        let limits = Limits::read(&mut limits_section);

        let listeners_written = listen_sections.len();
        let listen: Vec<_> = listen_sections
            .into_iter()
            .filter_map(|mut section| Some((Listen::read(&mut section, context)?, section)))
            .collect();
        let mut names = Vec::new();
        let mut trunks = Vec::new();
        if let Some(mut section) = trunk_section {
            for (name, place, mut section) in section.take_named_tables("[trunk.mango]") {
                trunk::check_name(name, place, source);
                names.push(name);
                if let Some(trunk) = Trunk::read(name, &mut section, context, &media, &session_timer) {
                    trunks.push((trunk, section));
                }
            }
        }
        let routes: Vec<_> = route_sections
            .into_iter()
            .filter_map(|mut section| Some((Route::read(&mut section, &names)?, section)))
            .collect();

        check::listens(&listen, &gateway, &gateway_section);
        check::ports(&gateway, &gateway_section);
        // A listener with a mistake may be the one that is wanted; the default ones have UDP.
        let udp = listen.len() < listeners_written
            || listen.is_empty()
            || listen.iter().any(|(listen, _)| listen.transport == Transport::Udp);
        check::trunks(&trunks, udp);
        check::routes(&routes, &trunks, source);

        let mut listen: Vec<Listen> = listen.into_iter().map(|(listen, _)| listen).collect();
        if listen.is_empty() {
            listen = Listen::defaults();
        }
        Some(Self {
            gateway,
            listen,
            trunks: trunks.into_iter().map(|(trunk, _)| trunk).collect(),
            media,
            session_timer,
            routes: routes.into_iter().map(|(route, _)| route).collect(),
            limits,
            warnings: Vec::new(),
        })
    }

    /// Only where the gateway of a configuration file answers `status`: whoever asks needs none of the rest, and none of
    /// its secrets. `None`: nowhere.
    pub fn status_socket_of(path: &Path, environment: &dyn Environment) -> Result<Option<PathBuf>, ConfigError> {
        let (name, text) = read_file(path, environment)?;
        let source = Source::new(&name, &text);
        let document = parse_document(&text, &source)?;
        let context = Context { environment, directory: directory_of(&name) };
        let mut section = match Section::new(&source, "", 0, document.as_table()).take_table("gateway", "[gateway]") {
            Some(section) => section,
            None => Section::absent(&source, "gateway"),
        };
        let socket = Gateway::read(&mut section, &context).status_socket;
        let mistakes = source.into_findings().0;
        if mistakes.is_empty() { Ok(socket) } else { Err(ConfigError { mistakes }) }
    }

    /// The trunk of a name.
    pub fn trunk(&self, name: &str) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| trunk.name == name)
    }
}

/// What reading needs besides the text.
struct Context<'a> {
    environment: &'a dyn Environment,
    directory: PathBuf,
}

impl Context<'_> {
    /// A path of the file, relative to the file's directory.
    fn path(&self, written: &str) -> PathBuf {
        self.directory.join(written)
    }
}

fn read_file(path: &Path, environment: &dyn Environment) -> Result<(String, String), ConfigError> {
    let name = path.display().to_string();
    let unreadable = |problem: String, advice: &str| ConfigError {
        mistakes: vec![Mistake {
            file: name.clone(),
            line: 0,
            column: 0,
            key: String::new(),
            problem,
            advice: advice.to_owned(),
        }],
    };
    let bytes = environment.read(path).map_err(|error| {
        unreadable(
            format!("the configuration cannot be read: {}", values::io_error(&error)),
            "name an existing file: --config FILE",
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        unreadable(format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1), "save the file as UTF-8 text")
    })?;
    Ok((name, text))
}

fn parse_document<'t>(text: &'t str, source: &Source<'_>) -> Result<Document<&'t str>, ConfigError> {
    Document::parse(text).map_err(|error| {
        // The error's own display repeats the line, which may hold a password.
        let place = error.span().map_or(0, |span| span.start);
        let problem = error.message().replace('\n', "; ");
        ConfigError {
            mistakes: vec![source.locate(place, "", problem, "this is not TOML: see https://toml.io".to_owned())],
        }
    })
}

fn directory_of(name: &str) -> PathBuf {
    Path::new(name).parent().map(Path::to_owned).unwrap_or_default()
}
