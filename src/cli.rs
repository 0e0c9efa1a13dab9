//! The command line that every gateway program has: what can be asked, and the two answers that need no gateway.
//!
//! [`parse`] reads arguments into a [`Command`]; [`status`] and [`check`] carry two of them out. Nothing is printed
//! here but through the writer that is passed in.

use crate::config::{Config, ConfigError, Environment, Identify, Listen, Trunk, default_status_socket};
use crate::observe::log::{LogFilter, LogFilterError};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a program is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the gateway; without `config`, whatever the program shows without one.
    Run(RunOptions),
    /// Show the state of a running gateway.
    Status(StatusOptions),
    /// Check a configuration and say what it means.
    Check {
        /// The configuration.
        config: PathBuf,
    },
    /// Say what can be asked.
    Help,
    /// Say which version this is.
    Version,
}

/// How to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunOptions {
    /// The configuration.
    pub config: Option<PathBuf>,
    /// What to log, before `RUST_LOG` and the configuration.
    pub log: Option<LogFilter>,
    /// Report as JSON.
    pub json: bool,
}

/// Whom to ask for the status, and how to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusOptions {
    /// The socket of the gateway.
    pub socket: Option<PathBuf>,
    /// The configuration of the gateway, which names the socket.
    pub config: Option<PathBuf>,
    /// Show JSON.
    pub json: bool,
}

/// Why arguments cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// There is no such command.
    #[error("\"{0}\" is not known here: the commands are status and check; --help tells more")]
    UnknownCommand(String),
    /// There is no such option.
    #[error("{option} is not known here: {near}--help tells more")]
    UnknownOption {
        /// As it was written.
        option: String,
        /// The nearest known one, worded.
        near: String,
    },
    /// An option does not go with the command.
    #[error("{option} does not go with {command}; --help tells more")]
    OutOfPlace {
        /// The option.
        option: &'static str,
        /// The command.
        command: &'static str,
    },
    /// An option needs a value.
    #[error("{option} needs a value, for example: {example}")]
    MissingValue {
        /// The option.
        option: &'static str,
        /// With a value.
        example: &'static str,
    },
    /// An option that takes none has a value.
    #[error("{0} takes no value")]
    NeedlessValue(String),
    /// A command needs an option.
    #[error("{command} needs {example}")]
    MissingOption {
        /// The command.
        command: &'static str,
        /// The option.
        example: &'static str,
    },
    /// An option is written twice.
    #[error("{0} is written twice")]
    Twice(&'static str),
    /// Two ways to say the same are both used.
    #[error("--socket and --config both name the gateway: write one")]
    SocketAndConfig,
    /// A log filter is wrong.
    #[error("{place}: \"{written}\" {error}")]
    Log {
        /// `--log` or `RUST_LOG`.
        place: &'static str,
        /// The filter.
        written: String,
        /// What is wrong with it.
        error: LogFilterError,
    },
}

const OPTIONS: [&str; 6] = ["--config", "--log", "--json", "--socket", "--help", "--version"];

/// Reads the arguments that follow the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    use lexopt::Arg::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut command: Option<&'static str> = None;
    let (mut config, mut socket, mut log, mut json) = (None, None, None, false);
    loop {
        let argument = match parser.next() {
            Ok(Some(argument)) => argument,
            Ok(None) => break,
            Err(error) => return Err(unexpected(error)),
        };
        match argument {
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") | Short('V') => return Ok(Command::Version),
            Long("config") | Short('c') => {
                let value = value(&mut parser, "--config", "--config gateway.toml")?;
                once(&mut config, PathBuf::from(value), "--config")?;
            }
            Long("socket") => {
                let value = value(&mut parser, "--socket", "--socket /run/voip/status.sock")?;
                once(&mut socket, PathBuf::from(value), "--socket")?;
            }
            Long("log") => {
                let value = value(&mut parser, "--log", "--log debug")?;
                once(&mut log, log_filter_of("--log", &value.to_string_lossy())?, "--log")?;
            }
            Long("json") => json = true,
            Value(word) if command.is_none() => {
                command = Some(match word.to_string_lossy().as_ref() {
                    "status" => "status",
                    "check" => "check",
                    "help" => return Ok(Command::Help),
                    other => return Err(UsageError::UnknownCommand(other.to_owned())),
                });
            }
            Value(word) => return Err(UsageError::UnknownCommand(word.to_string_lossy().into_owned())),
            Long(option) => return Err(unknown(format!("--{option}"))),
            Short(option) => return Err(unknown(format!("-{option}"))),
        }
    }
    let out_of_place = |present: bool, option, command| match present {
        true => Err(UsageError::OutOfPlace { option, command }),
        false => Ok(()),
    };
    match command {
        Some("status") => {
            out_of_place(log.is_some(), "--log", "status")?;
            if config.is_some() && socket.is_some() {
                return Err(UsageError::SocketAndConfig);
            }
            Ok(Command::Status(StatusOptions { socket, config, json }))
        }
        Some(_) => {
            out_of_place(log.is_some(), "--log", "check")?;
            out_of_place(socket.is_some(), "--socket", "check")?;
            out_of_place(json, "--json", "check")?;
            let example = "--config FILE";
            let config = config.ok_or(UsageError::MissingOption { command: "check", example })?;
            Ok(Command::Check { config })
        }
        None => {
            out_of_place(
                socket.is_some(),
                "--socket",
                "running a gateway: write status_socket into its configuration",
            )?;
            Ok(Command::Run(RunOptions { config, log, json }))
        }
    }
}

fn value(parser: &mut lexopt::Parser, option: &'static str, example: &'static str) -> Result<OsString, UsageError> {
    let missing = UsageError::MissingValue { option, example };
    // What looks like another option was not meant as a value.
    match parser.value() {
        Ok(value) if value.is_empty() || value.to_string_lossy().starts_with("--") => Err(missing),
        Ok(value) => Ok(value),
        Err(_) => Err(missing),
    }
}

fn once<T>(place: &mut Option<T>, value: T, option: &'static str) -> Result<(), UsageError> {
    match place.replace(value) {
        Some(_) => Err(UsageError::Twice(option)),
        None => Ok(()),
    }
}

fn unexpected(error: lexopt::Error) -> UsageError {
    if let lexopt::Error::UnexpectedValue { option, .. } = error {
        return UsageError::NeedlessValue(option);
    }
    UsageError::UnknownOption { option: error.to_string(), near: String::new() }
}

fn unknown(option: String) -> UsageError {
    let near = OPTIONS
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(known, &option), known))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map_or_else(String::new, |(_, known)| format!("did you mean {known}? "));
    UsageError::UnknownOption { option, near }
}

fn log_filter_of(place: &'static str, written: &str) -> Result<LogFilter, UsageError> {
    LogFilter::parse(written).map_err(|error| UsageError::Log { place, written: written.to_owned(), error })
}

/// What is to be logged: `--log` counts before `RUST_LOG`, that before the configuration.
pub fn log_filter(
    option: Option<&LogFilter>,
    environment: &dyn Environment,
    config: Option<&Config>,
) -> Result<LogFilter, UsageError> {
    if let Some(filter) = option {
        return Ok(filter.clone());
    }
    match environment.variable("RUST_LOG").filter(|written| !written.is_empty()) {
        Some(written) => log_filter_of("RUST_LOG", &written),
        None => Ok(config.map(|config| config.gateway.log.clone()).unwrap_or_default()),
    }
}

/// What `--help` shows. `without_config` says what the program does without a configuration.
pub fn help(program: &str, about: &str, without_config: &str) -> String {
    format!(
        "\
{about}

Usage:
  {program}                                  {without_config}
  {program} --config FILE [--log WORDS]      run the gateway that FILE describes
  {program} check --config FILE              check FILE and say what it means
  {program} status [--json]                  show the running gateway
            [--socket PATH | --config FILE]  which one, if it is not at the usual place

Options:
  -c, --config FILE   the configuration, TOML: docs/configuration.md is its manual
      --log WORDS     off, error, warn, info, debug, trace; sip shows every message; TARGET=LEVEL for one module;
                      several with commas. Counts before RUST_LOG and before the configuration
      --json          report as JSON
      --socket PATH   the status socket of the gateway
  -h, --help          this text
  -V, --version       the version
"
    )
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The configuration has mistakes.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The gateway's configuration switches its status socket off.
    #[error("{0} says status_socket = \"off\": this gateway cannot be asked")]
    SocketOff(PathBuf),
    /// The gateway does not answer.
    #[cfg(unix)]
    #[error("{0}")]
    Query(#[from] crate::observe::status_socket::QueryError),
    /// The answer cannot be shown.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Asks the running gateway and shows its answer.
#[cfg(unix)]
pub fn status(
    options: &StatusOptions,
    environment: &dyn Environment,
    output: &mut dyn Write,
) -> Result<(), CommandError> {
    let socket = match (&options.socket, &options.config) {
        (Some(socket), _) => socket.clone(),
        (None, Some(config)) => {
            Config::status_socket_of(config, environment)?.ok_or_else(|| CommandError::SocketOff(config.clone()))?
        }
        (None, None) => default_status_socket(environment),
    };
    let status = crate::observe::status_socket::query(&socket)?;
    if options.json {
        writeln!(output, "{}", status.to_pretty_json())?;
    } else {
        write!(output, "{}", status.to_table())?;
    }
    Ok(())
}

/// Checks a configuration and says what it means. Nothing is listened on or connected to.
pub fn check(path: &Path, environment: &dyn Environment, output: &mut dyn Write) -> Result<(), CommandError> {
    let config = Config::from_file(path, environment)?;
    writeln!(output, "{} holds no mistake", path.display())?;
    summarize(&config, output)?;
    if !config.warnings.is_empty() {
        writeln!(output, "\nprobably not meant:")?;
    }
    for warning in &config.warnings {
        writeln!(output, "{warning}")?;
    }
    Ok(())
}

fn summarize(config: &Config, output: &mut dyn Write) -> io::Result<()> {
    let gateway = &config.gateway;
    let listen = |listen: &Listen| format!("{} {}", listen.transport, listen.bind);
    writeln!(output, "  listens on      {}", join(config.listen.iter().map(listen)))?;
    if let Some(address) = gateway.public_address {
        let local = join(gateway.local_networks.iter().map(ToString::to_string));
        writeln!(output, "  shown outside   {address}; the own address within {local}")?;
    }
    let ports = gateway.rtp_ports;
    let calls = ports.pairs() / 2;
    writeln!(output, "  media ports     {}-{}: {calls} calls; at most {}", ports.first, ports.last, gateway.max_calls)?;
    match &gateway.status_socket {
        Some(path) => writeln!(output, "  status          {}", path.display())?,
        None => writeln!(output, "  status          off")?,
    }
    for trunk in &config.trunks {
        writeln!(output, "  trunk {:9} {}", trunk.name, describe(trunk))?;
    }
    for route in &config.routes {
        let matching = route.matching.as_ref().map_or_else(String::new, |pattern| format!(" to {}", pattern.as_str()));
        let number = route.number.as_deref().unwrap_or("the number dialled");
        let ring = route.ring_timeout.as_secs();
        writeln!(
            output,
            "  route           calls from {}{matching} go to {}, dialling {number}, ringing {ring} s at most",
            route.from, route.to
        )?;
    }
    Ok(())
}

fn describe(trunk: &Trunk) -> String {
    let servers = join(trunk.servers.iter().map(ToString::to_string));
    let login = trunk.username.as_deref().unwrap_or("nobody");
    let registers = match &trunk.registration {
        Some(registration) => format!("registers as {login} for {} s", registration.expires.as_secs()),
        None => "does not register".to_owned(),
    };
    let networks = |networks: &[ipnet::IpNet]| join(networks.iter().map(ToString::to_string));
    let known = match &trunk.identify {
        Identify::Never => "never calls".to_owned(),
        Identify::Address(from) => format!("calls from {}", networks(from)),
        Identify::Credentials(from) if from.is_empty() => format!("calls with the credentials of {login}"),
        Identify::Credentials(from) => format!("calls from {} with the credentials of {login}", networks(from)),
    };
    let codecs = join(trunk.codecs.iter().map(ToString::to_string));
    let limit = trunk.max_calls.map_or_else(String::new, |calls| format!("; {calls} calls at most"));
    format!("{servers}; {registers}; {known}; {codecs}{limit}")
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FixedEnvironment;

    fn of(line: &str) -> Result<Command, UsageError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn problem(line: &str) -> String {
        of(line).unwrap_err().to_string()
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(of(""), Ok(Command::Run(RunOptions::default())));
        let log = Some(LogFilter::parse("debug,sip").unwrap());
        let run = RunOptions { config: Some("g.toml".into()), log, json: true };
        assert_eq!(of("--config g.toml --log debug,sip --json"), Ok(Command::Run(run.clone())));
        assert_eq!(of("--json --log=debug,sip -c g.toml"), Ok(Command::Run(run)));
        assert_eq!(of("status"), Ok(Command::Status(StatusOptions::default())));
        let status = StatusOptions { socket: Some("/s".into()), config: None, json: true };
        assert_eq!(of("--json status --socket /s"), Ok(Command::Status(status)));
        assert_eq!(of("check --config g.toml"), Ok(Command::Check { config: "g.toml".into() }));
        assert_eq!(of("status --help"), Ok(Command::Help));
        assert_eq!(of("-V"), Ok(Command::Version));
    }

    #[test]
    fn what_is_not_understood_says_what_to_do() {
        assert_eq!(
            problem("statsu"),
            "\"statsu\" is not known here: the commands are status and check; --help tells more"
        );
        assert_eq!(problem("--confg x"), "--confg is not known here: did you mean --config? --help tells more");
        assert_eq!(problem("--frobnicate"), "--frobnicate is not known here: --help tells more");
        assert_eq!(problem("--config"), "--config needs a value, for example: --config gateway.toml");
        assert_eq!(problem("--config --json"), "--config needs a value, for example: --config gateway.toml");
        assert_eq!(problem("--json=yes"), "--json takes no value");
        assert_eq!(problem("check"), "check needs --config FILE");
        assert_eq!(problem("check -c a -c b"), "--config is written twice");
        assert_eq!(problem("status --log info"), "--log does not go with status; --help tells more");
        assert_eq!(problem("status --socket a --config b"), "--socket and --config both name the gateway: write one");
        assert!(problem("--socket /s").contains("write status_socket into its configuration"));
        assert!(problem("--log loud").starts_with("--log: \"loud\" is no log filter: \"loud\" is none of off, error"));
        assert!(problem("gateway.toml").contains("is not known here"));
    }

    #[test]
    fn the_command_line_counts_before_the_variable_and_that_before_the_file() {
        let config = Config::parse("[gateway]\nlog = \"warn\"", "g.toml", &FixedEnvironment::default()).unwrap();
        let set = FixedEnvironment::default().with_variable("RUST_LOG", "debug");
        let option = LogFilter::parse("sip").unwrap();
        let chosen = |option, environment: &FixedEnvironment, config| {
            log_filter(option, environment, config).unwrap().as_str().to_owned()
        };
        assert_eq!(chosen(Some(&option), &set, Some(&config)), "sip");
        assert_eq!(chosen(None, &set, Some(&config)), "debug");
        assert_eq!(chosen(None, &FixedEnvironment::default(), Some(&config)), "warn");
        assert_eq!(chosen(None, &FixedEnvironment::default(), None), "info");
        let wrong = FixedEnvironment::default().with_variable("RUST_LOG", "what");
        assert!(log_filter(None, &wrong, None).unwrap_err().to_string().starts_with("RUST_LOG: \"what\""));
    }

    #[test]
    fn a_right_configuration_is_summed_up() {
        let text = "[gateway]\npublic_address = \"203.0.113.10\"\nlocal_networks = [\"10.0.0.0/8\"]\nstatus_socket = \"off\"\n\
            [trunk.a]\nserver = \"sip:192.0.2.1\"\nidentify = [\"192.0.2.1\"]\nmax_calls = 5\nregister = true\nusername = \"u\"\n\
            [trunk.b]\nserver = \"sip:192.0.2.2;transport=tcp\"\n[[route]]\nfrom = \"a\"\nto = \"b\"\nmatch = \"+7495*\"\n";
        let environment = FixedEnvironment::default().with_file("g.toml", text);
        let mut shown = Vec::new();
        check(Path::new("g.toml"), &environment, &mut shown).unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "\
g.toml holds no mistake
  listens on      udp 0.0.0.0:5060, tcp 0.0.0.0:5060
  shown outside   203.0.113.10; the own address within 10.0.0.0/8
  media ports     10000-20000: 2500 calls; at most 500
  status          off
  trunk a         sip:192.0.2.1;transport=udp; registers as u for 120 s; calls from 192.0.2.1/32; PCMA, PCMU; 5 calls at most
  trunk b         sip:192.0.2.2;transport=tcp; does not register; never calls; PCMA, PCMU
  route           calls from a to +7495* go to b, dialling the number dialled, ringing 90 s at most

probably not meant:
g.toml:9:12: trunk.a.register: there is no password
    registrars ask for one: add password = { env = \"...\" }
"
        );
    }

    #[test]
    fn a_gateway_that_cannot_be_asked_says_so() {
        let off = FixedEnvironment::default()
            .with_file("/e/g.toml", "[gateway]\nstatus_socket = \"off\"\n[trunk.a]\nserver = 5")
            .with_file(
                "/e/h.toml",
                "[gateway]\nstatus_socket = \"none.sock\"\n[trunk.a]\npassword = { env = \"UNSET\" }",
            );
        let ask = |config: &str| {
            let options = StatusOptions { config: Some(config.into()), ..StatusOptions::default() };
            status(&options, &off, &mut Vec::new()).unwrap_err().to_string()
        };
        assert_eq!(ask("/e/g.toml"), "/e/g.toml says status_socket = \"off\": this gateway cannot be asked");
        // Only the socket's place is read: who asks need not have the gateway's secrets.
        assert!(ask("/e/h.toml").starts_with("no gateway is running at /e/none.sock: start one"));
        assert!(ask("/e/i.toml").contains("there is no such file"));
    }

    #[test]
    fn help_names_every_option() {
        let text = help("mango_elevenlabs", "A gateway.", "run the demonstration");
        for option in OPTIONS {
            assert!(text.contains(option), "{option}");
        }
    }
}
