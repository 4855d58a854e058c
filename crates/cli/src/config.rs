//! The configuration of `serve`: flag > environment > file > default, and where each value came from.
//!
//! The file is TOML; what may stand in it is decided by `proofmark-gateway`. Secrets are never in it, only where they are.

mod hint;
mod settings;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use proofmark_gateway::Config;
use serde::Deserialize as _;
use toml::{Table, Value};

use crate::data::DEFAULT_DATA_DIR;
use crate::error::CommandError;
use crate::files;
use hint::{did_you_mean, nearest};
pub(crate) use settings::{SETTINGS, Setting};

/// A configuration is written by people.
const CONFIG_MAX_BYTES: usize = 1024 * 1024;
/// Read from the current directory if nothing else is named.
const DEFAULT_FILE: &str = "proofmark.toml";
const FILE_VARIABLE: &str = "PROOFMARK_CONFIG";
const PREFIX: &str = "PROOFMARK_";

/// The flags that `serve` and `config` share.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file. Default: $PROOFMARK_CONFIG, else proofmark.toml in the current directory if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to serve on.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Data directory: keys, logs, receipts.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// An OpenAI-compatible server to relay to, such as mine=https://api.openai.com/v1; may be repeated.
    /// Its key, if it wants one, is read from the environment variable MINE_API_KEY.
    #[arg(long, value_name = "NAME=BASE_URL", value_parser = parse_upstream)]
    upstream: Vec<(String, String)>,
    /// A model to execute here: its name in the data directory's store, or NAME=DIR for one in a directory; may be repeated.
    #[arg(long, value_name = "NAME[=DIR]")]
    model: Vec<String>,
}

fn parse_upstream(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && !url.is_empty() => {
            Ok((name.to_owned(), url.to_owned()))
        }
        _ => Err("an upstream looks like mine=https://api.openai.com/v1".into()),
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Environment(String),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A configuration and where each of its values came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) file: Option<PathBuf>,
    origins: BTreeMap<String, Origin>,
    /// Variables that look like misspelt settings.
    pub(crate) warnings: Vec<String>,
}

impl Loaded {
    /// Where the value of a key such as `limits.max_requests` or `upstream.mine` came from.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

impl ConfigArgs {
    /// Reads everything and checks the whole.
    pub(crate) fn load(&self) -> Result<Loaded, CommandError> {
        // What is not Unicode is none of ours.
        let unicode = |text: OsString| text.into_string().ok();
        self.load_with(
            std::env::vars_os().filter_map(|(name, value)| Some((unicode(name)?, unicode(value)?))),
        )
    }

    fn load_with(
        &self,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Loaded, CommandError> {
        let environment: BTreeMap<String, String> = environment.collect();
        let named = self
            .config
            .clone()
            .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
        let file = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
        let mut origins = BTreeMap::new();
        let mut table = match &file {
            Some(path) => read_file(path, &mut origins)?,
            None => Table::new(),
        };
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(text) = environment.get(&variable) {
                let value = setting.parse(text).map_err(|why| {
                    CommandError::usage(format!(
                        "the environment variable {variable} is not usable"
                    ))
                    .because(why)
                })?;
                insert(&mut table, setting.key, value);
                origins.insert(setting.key.to_owned(), Origin::Environment(variable));
            }
        }
        self.apply_flags(&mut table, &mut origins, &environment)?;
        let config = Config::deserialize(Value::Table(table))
            .map_err(|error| refused(file.as_deref(), &error.to_string()))?;
        config
            .check()
            .map_err(|error| refused(file.as_deref(), &error.to_string()))?;
        Ok(Loaded {
            config,
            file,
            origins,
            warnings: misspelt(environment.keys().filter(|name| name.starts_with(PREFIX))),
        })
    }

    fn apply_flags(
        &self,
        table: &mut Table,
        origins: &mut BTreeMap<String, Origin>,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), CommandError> {
        let mut set = |key: &str, value: String, flag| {
            insert(table, key, Value::String(value));
            origins.insert(key.to_owned(), Origin::Flag(flag));
        };
        if let Some(listen) = self.listen {
            set("listen", listen.to_string(), "--listen");
        }
        if let Some(data) = &self.data {
            let text = data
                .to_str()
                .ok_or_else(|| CommandError::usage("--data is not UTF-8"))?;
            set("data", text.to_owned(), "--data");
        }
        for (name, base_url) in &self.upstream {
            set_upstream(table, name, base_url, environment)?;
            origins.insert(format!("upstream.{name}"), Origin::Flag("--upstream"));
        }
        for model in &self.model {
            let name = set_model(table, model)?;
            origins.insert(format!("model.{name}"), Origin::Flag("--model"));
        }
        Ok(())
    }
}

/// Adds a model that is named by a flag; returns its name.
fn set_model<'m>(table: &mut Table, model: &'m str) -> Result<&'m str, CommandError> {
    let (name, path) = match model.split_once('=') {
        Some((name, path)) => (name, Some(path)),
        None => (model, None),
    };
    let mut entry = Table::new();
    entry.insert("name".to_owned(), Value::String(name.to_owned()));
    if let Some(path) = path {
        entry.insert("path".to_owned(), Value::String(path.to_owned()));
    }
    let models = table
        .entry("model")
        .or_insert_with(|| Value::Array(Vec::new()));
    match models {
        Value::Array(models) => models.push(Value::Table(entry)),
        _ => return Err(CommandError::usage("model is a list: write [[model]]")),
    }
    Ok(name)
}

/// The environment variable with the key of an upstream that is named by a flag: `MINE_API_KEY` for `mine`.
pub(crate) fn key_variable(name: &str) -> String {
    let upper = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    };
    name.chars().map(upper).chain("_API_KEY".chars()).collect()
}

/// An upstream of the file keeps its settings and gets the flag's URL; another name is one more upstream, with a key
/// from the environment if there is one.
fn set_upstream(
    table: &mut Table,
    name: &str,
    base_url: &str,
    environment: &BTreeMap<String, String>,
) -> Result<(), CommandError> {
    let not_a_list =
        || CommandError::usage("`upstream` in the configuration is not a list: write [[upstream]]");
    let list = table
        .entry("upstream")
        .or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or_else(not_a_list)?;
    let is_it = |upstream: &&mut Value| upstream.get("name").and_then(Value::as_str) == Some(name);
    match list.iter_mut().find(is_it).and_then(Value::as_table_mut) {
        Some(upstream) => {
            upstream.insert("base_url".into(), Value::String(base_url.into()));
        }
        None => {
            let mut upstream = Table::from_iter([
                ("name".to_owned(), Value::String(name.into())),
                ("base_url".to_owned(), Value::String(base_url.into())),
            ]);
            let variable = key_variable(name);
            if environment.contains_key(&variable) {
                upstream.insert("api_key_env".into(), Value::String(variable));
            }
            list.push(Value::Table(upstream));
        }
    }
    Ok(())
}

fn read_file(path: &Path, origins: &mut BTreeMap<String, Origin>) -> Result<Table, CommandError> {
    let text = files::read_text(path, CONFIG_MAX_BYTES)?;
    // Alone first: its errors then have a line and a column.
    toml::from_str::<Config>(&text).map_err(|error| refused(Some(path), &error.to_string()))?;
    let table: Table =
        toml::from_str(&text).map_err(|error| refused(Some(path), &error.to_string()))?;
    let from_file = || Origin::File(path.to_owned());
    for setting in SETTINGS
        .iter()
        .filter(|setting| lookup(&table, setting.key).is_some())
    {
        origins.insert(setting.key.to_owned(), from_file());
    }
    for (list, name_of) in [("upstream", "name"), ("price", "model")] {
        let items = table
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let names = items.filter_map(|item| item.get(name_of)?.as_str());
        names.for_each(|name| drop(origins.insert(format!("{list}.{name}"), from_file())));
    }
    Ok(table)
}

fn lookup<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => lookup(table.get(section)?.as_table()?, rest),
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, rest)) => {
            let section = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Some(section) = section.as_table_mut() {
                insert(section, rest, value);
            }
        }
    }
}

fn refused(file: Option<&Path>, why: &str) -> CommandError {
    let what = match file {
        Some(path) => format!("the configuration {} cannot be used", path.display()),
        None => "the configuration cannot be used".to_owned(),
    };
    let error = CommandError::usage(what)
        .code("config.refused")
        .because(why.trim_end().to_owned());
    match did_you_mean(why) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error,
    }
}

/// Variables of ours that are none of a setting. Others may begin the same, for keys of upstreams: only near misses count.
fn misspelt<'v>(variables: impl Iterator<Item = &'v String>) -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let others = [FILE_VARIABLE, "PROOFMARK_ROOTS"];
    let unknown =
        variables.filter(|name| !known.contains(name) && !others.contains(&name.as_str()));
    unknown
        .filter_map(|name| {
            let near = nearest(name, known.iter().map(String::as_str))?;
            Some(format!(
                "the environment variable {name} sets nothing; did you mean {near}?"
            ))
        })
        .collect()
}

/// The data directory if no command line names one: that of the configuration file, else the default.
pub(crate) fn default_data_dir() -> PathBuf {
    let path =
        std::env::var_os(FILE_VARIABLE).map_or_else(|| PathBuf::from(DEFAULT_FILE), PathBuf::from);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let table: Table = toml::from_str(&text).unwrap_or_default();
    table
        .get("data")
        .and_then(Value::as_str)
        .map_or_else(|| PathBuf::from(DEFAULT_DATA_DIR), PathBuf::from)
}

#[cfg(test)]
mod tests;
