//! A run: what is there is kept, what is missing is done, one line of JSON each.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use proofmark_testkit::float::FloatModel;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cell::{Cell, Cost};
use crate::float::{self, BENIGN, Distances, GROUPS, Group, Runner, frontier, label, mixtures};
use crate::proof::Prover;
use crate::record::{Policies, Records};
use crate::{ATTACKS, Bench, BenchError, Measured, Plan, Product, Registration, Score};

/// A tensor program as files.
#[derive(Debug, Clone)]
pub struct TensorModel {
    /// Manifest of the closure.
    pub manifest: Vec<u8>,
    /// The program.
    pub program: Vec<u8>,
    /// The weights.
    pub weights: Vec<u8>,
}

/// What a run is made of.
pub struct Materials<'m> {
    /// The product.
    pub product: &'m mut dyn Product,
    /// The promised model in floats.
    pub float: FloatModel,
    /// Prompts as ids, for answers in floats.
    pub prompts: Vec<Vec<u32>>,
    /// A tensor program, for proofs.
    pub tensor: TensorModel,
    /// Threads.
    pub threads: usize,
}

/// What a run came to.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// What was to be run.
    pub plan: Plan,
    /// That it was logged before.
    pub registration: Registration,
    /// All cells, in the order of threats and methods.
    pub cells: Vec<Cell>,
    /// Costs.
    pub costs: Vec<Cost>,
    /// Counts behind statistical cells.
    pub measured: Vec<Measured>,
    /// Largest share of reading that a cheat saves unseen: method, share of answers that may be flagged, saving, by which cheat.
    pub frontier: Vec<(crate::Method, f64, f64, String)>,
    /// Answers of the null run that were flagged, and all of them, over all shuffles of the labels, by method.
    pub null: Vec<(crate::Method, u64, u64)>,
    /// Histories in which an adaptive provider broke an audit's bound on its cheats, and all of them, by attack.
    pub bounds: Vec<(String, u64, u64)>,
    /// Coverage of each method.
    pub scores: Vec<Score>,
}

/// Lines of one kind in a file that only grows.
struct Lines {
    path: PathBuf,
    file: File,
}

fn file_error(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> BenchError {
    let path = path.to_owned();
    move |source| BenchError::File {
        what,
        path: path.clone(),
        source,
    }
}

impl Lines {
    /// Opens the file and reads what is in it. A last line that was cut off is dropped.
    fn open<T: DeserializeOwned>(path: PathBuf) -> Result<(Self, Vec<T>), BenchError> {
        let mut all = Vec::new();
        let mut whole = String::new();
        if path.exists() {
            let file = File::open(&path).map_err(file_error("read", &path))?;
            let lines: Vec<String> = BufReader::new(file)
                .lines()
                .collect::<Result<_, _>>()
                .map_err(file_error("read", &path))?;
            let count = lines.len();
            for (at, line) in lines.into_iter().enumerate() {
                match serde_json::from_str(&line) {
                    Ok(value) => {
                        all.push(value);
                        whole.push_str(&line);
                        whole.push('\n');
                    }
                    Err(_) if at + 1 == count => {}
                    Err(_) => {
                        return Err(BenchError::Line { path, line: at + 1 });
                    }
                }
            }
            fs::write(&path, whole).map_err(file_error("write", &path))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(file_error("write", &path))?;
        Ok((Self { path, file }, all))
    }

    fn push(&mut self, value: &impl Serialize) -> Result<(), BenchError> {
        let mut line = serde_json::to_vec(value).unwrap_or_default();
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(file_error("write", &self.path))
    }
}

/// Runs what is missing in `out`, and reads the rest from there. `progress` is told what is being done.
///
/// # Errors
/// A fault of the benchmark or of the product; another plan's output in `out`.
pub fn run(
    plan: &Plan,
    registration: Registration,
    materials: &mut Materials<'_>,
    out: &Path,
    progress: &dyn Fn(&str),
) -> Result<Run, BenchError> {
    same_plan(plan, out)?;
    let path = |name: &str| out.join(name);
    let (mut samples, mut distances) = Lines::open::<Distances>(path("samples.jsonl"))?;
    let floats = float_groups(plan, &materials.float);
    let mut saves = Vec::new();
    for work in &floats {
        saves.push((work.label.clone(), work.saves));
        let done: BTreeSet<u64> = distances
            .iter()
            .filter(|d| d.group == work.label)
            .map(|d| d.number)
            .collect();
        let missing: Vec<u64> = (0..work.answers).filter(|n| !done.contains(n)).collect();
        if missing.is_empty() {
            continue;
        }
        progress(&format!(
            "floats: {} answers of {}",
            missing.len(),
            work.label
        ));
        for found in answers(plan, work, &missing, materials)? {
            samples.push(&found)?;
            distances.push(found);
        }
    }
    distances.sort_by(|a, b| (&a.group, a.number).cmp(&(&b.group, b.number)));
    let statistics = float::statistics(plan, &distances, &saves);
    let (mut kept, mut cells) = Lines::open::<Cell>(path("cells.jsonl"))?;
    let (mut kept_costs, mut costs) = Lines::open::<Cost>(path("costs.jsonl"))?;
    let bench = Bench::new(plan.seed)?;
    let mut records = Records {
        bench: &bench,
        auditors: [Bench::new(plan.seed ^ 0xa1)?, Bench::new(plan.seed ^ 0xa2)?],
        policies: Policies::shipped()?,
        product: materials.product,
        float: &materials.float,
        tries: plan.sizes.tries,
        seed: plan.seed,
    };
    let prover = Prover::new(&materials.tensor, plan.seed)?;
    if costs.is_empty() {
        progress("honest answers, which every method has to accept");
        costs = records.controls()?;
        costs.push(prover.control()?);
        for cost in &costs {
            kept_costs.push(cost)?;
        }
    }
    for attack in &ATTACKS {
        if cells.iter().any(|cell| cell.attack == attack.id) {
            continue;
        }
        progress(&format!("{}: {}", attack.id, attack.does));
        let mut made = records.cells(attack)?;
        made.extend(prover.cells(plan, attack)?);
        made.extend(crate::audit::cells(plan, attack)?);
        made.extend(float::cells(&statistics, attack));
        for cell in &made {
            kept.push(cell)?;
        }
        cells.extend(made);
    }
    cells.sort_by_key(|cell| (cell.threat, place(&cell.attack), cell.method));
    Ok(Run {
        plan: plan.clone(),
        registration,
        scores: Score::all(&cells, plan.alpha),
        frontier: frontier(&statistics, &[0.01, 0.1, 0.5]),
        null: null_run(plan, &distances),
        bounds: crate::audit::bounds(plan),
        measured: statistics.lines,
        cells,
        costs,
    })
}

fn place(attack: &str) -> usize {
    ATTACKS
        .iter()
        .position(|known| known.id == attack)
        .unwrap_or(ATTACKS.len())
}

/// Refuses a directory with a run of another plan.
fn same_plan(plan: &Plan, out: &Path) -> Result<(), BenchError> {
    let path = out.join("plan.json");
    if path.exists() {
        let found = fs::read(&path).map_err(file_error("read", &path))?;
        if found != plan.encode() {
            let digest = serde_json::from_slice::<Plan>(&found).map(|plan| plan.digest());
            return Err(BenchError::OtherPlan {
                path: out.to_owned(),
                expected: plan.digest(),
                found: digest.unwrap_or_default(),
            });
        }
    }
    fs::write(&path, plan.encode()).map_err(file_error("write", &path))
}

/// Answers of one group under one label.
struct Work {
    label: String,
    group: Group,
    answers: u64,
    saves: f64,
}

fn float_groups(plan: &Plan, model: &FloatModel) -> Vec<Work> {
    let sizes = &plan.sizes;
    let mut all = Vec::new();
    for group in BENIGN {
        for (calibrates, answers) in [(true, sizes.calibrate), (false, sizes.test)] {
            all.push(Work {
                label: label(group.id, calibrates),
                group,
                answers,
                saves: 0.0,
            });
        }
    }
    for group in GROUPS {
        all.push(Work {
            label: group.id.to_owned(),
            group,
            answers: sizes.answers,
            saves: group.saves(model, sizes.tokens),
        });
    }
    for mixture in mixtures(model, sizes.tokens) {
        // What it tries on answers of its own, and what it is judged on.
        for label in [mixture.label.replace("mixed/", "tried/"), mixture.label] {
            all.push(Work {
                label,
                group: mixture.group,
                answers: sizes.mixture,
                saves: mixture.saves,
            });
        }
    }
    all
}

/// The missing answers of a group, on all threads, in order.
fn answers(
    plan: &Plan,
    work: &Work,
    missing: &[u64],
    materials: &Materials<'_>,
) -> Result<Vec<Distances>, BenchError> {
    let runner = Runner::new(
        &materials.float,
        work.group,
        &materials.prompts,
        plan.sizes.tokens,
        plan.seed,
    );
    let each = missing.len().div_ceil(materials.threads.max(1)).max(1);
    let made: Vec<Result<Vec<Distances>, BenchError>> = std::thread::scope(|scope| {
        let runner = &runner;
        let parts: Vec<_> = missing
            .chunks(each)
            .map(|numbers| {
                scope.spawn(move || {
                    let answers = numbers.iter().map(|n| runner.answer(&work.label, *n));
                    answers.collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let joined = parts.into_iter().map(|part| {
            part.join().unwrap_or(Err(BenchError::Fixture {
                what: "answers of a thread",
            }))
        });
        joined.collect()
    });
    let mut all = Vec::new();
    for part in made {
        for mut found in part? {
            found.group.clone_from(&work.label);
            all.push(found);
        }
    }
    Ok(all)
}

/// How often the null run shuffles.
const SHUFFLES: u64 = 200;

/// The null run over the benign answers of the first environment.
fn null_run(plan: &Plan, distances: &[Distances]) -> Vec<(crate::Method, u64, u64)> {
    let of = |calibrates: bool, method: crate::Method| -> Vec<f64> {
        let group = label(BENIGN[0].id, calibrates);
        let found = distances.iter().filter(|d| d.group == group);
        let values = found.filter_map(|d| match method {
            crate::Method::Activations => d.activations.last(),
            _ => d.tokens.last(),
        });
        values.copied().collect()
    };
    let mut all = Vec::new();
    for method in [crate::Method::Activations, crate::Method::Tokens] {
        let (calibrates, benign) = (of(true, method), of(false, method));
        let (mut flagged, mut answers) = (0, 0);
        for shuffle in 0..SHUFFLES {
            let seed = plan.seed ^ shuffle;
            let (rate, alpha) = (plan.false_alarms, plan.alpha);
            if let Some(null) = crate::null_power(&calibrates, &benign, rate, alpha, seed) {
                flagged += null.0;
                answers += null.1;
            }
        }
        all.push((method, flagged, answers));
    }
    all
}
