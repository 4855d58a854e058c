//! The four plots, as SVG without scripts.

use std::fmt::Write as _;

use crate::{Measured, Method, Run};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
/// Left, right, top, bottom.
const MARGIN: [f64; 4] = [62.0, 14.0, 14.0, 44.0];
const COLORS: [&str; 8] = [
    "#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f",
];

/// Text in an XML element.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// One axis: values and where they lie.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    fn linear(low: f64, high: f64, ticks: &[(f64, &str)]) -> Self {
        Self {
            low,
            high,
            log: false,
            ticks: named(ticks),
        }
    }

    fn log(low: f64, high: f64, ticks: &[(f64, &str)]) -> Self {
        Self {
            low,
            high,
            log: true,
            ticks: named(ticks),
        }
    }

    /// From 0 to 1.
    fn at(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.log { v.max(1e-12).log10() } else { v };
        let (low, high) = (scale(self.low), scale(self.high));
        ((scale(value) - low) / (high - low)).clamp(0.0, 1.0)
    }
}

fn named(ticks: &[(f64, &str)]) -> Vec<(f64, String)> {
    ticks.iter().map(|(v, t)| (*v, (*t).to_owned())).collect()
}

/// A frame with axes.
struct Plot {
    x: Axis,
    y: Axis,
    body: String,
}

impl Plot {
    fn new(x: Axis, y: Axis, [x_title, y_title]: [&str; 2]) -> Self {
        let mut plot = Self {
            x,
            y,
            body: String::new(),
        };
        let [left, right, top, bottom] = MARGIN;
        for (value, text) in &plot.x.ticks {
            let x = plot.px(*value);
            let y = HEIGHT - bottom;
            let _ = write!(
                plot.body,
                r##"<line x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{y}" class="grid"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"##,
                y + 14.0,
                escaped(text)
            );
        }
        for (value, text) in &plot.y.ticks {
            let y = plot.py(*value);
            let _ = write!(
                plot.body,
                r##"<line x1="{left}" y1="{y:.1}" x2="{}" y2="{y:.1}" class="grid"/><text x="{}" y="{:.1}" text-anchor="end">{}</text>"##,
                WIDTH - right,
                left - 6.0,
                y + 4.0,
                escaped(text)
            );
        }
        let _ = write!(
            plot.body,
            r##"<text x="{:.1}" y="{:.1}" text-anchor="middle" class="title">{}</text><text transform="translate(14 {:.1}) rotate(-90)" text-anchor="middle" class="title">{}</text>"##,
            f64::midpoint(left, WIDTH - right),
            HEIGHT - 8.0,
            escaped(x_title),
            f64::midpoint(top, HEIGHT - bottom),
            escaped(y_title)
        );
        plot
    }

    fn px(&self, value: f64) -> f64 {
        let [left, right, ..] = MARGIN;
        left + self.x.at(value) * (WIDTH - left - right)
    }

    fn py(&self, value: f64) -> f64 {
        let [.., top, bottom] = MARGIN;
        HEIGHT - bottom - self.y.at(value) * (HEIGHT - top - bottom)
    }

    fn line(&mut self, points: &[(f64, f64)], color: &str) {
        let places: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", self.px(*x), self.py(*y)))
            .collect();
        let _ = write!(
            self.body,
            r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="2"/>"#,
            places.join(" ")
        );
        for (x, y) in points {
            self.dot(*x, *y, color);
        }
    }

    fn dot(&mut self, x: f64, y: f64, color: &str) {
        let _ = write!(
            self.body,
            r#"<circle cx="{:.1}" cy="{:.1}" r="3.5" fill="{color}"/>"#,
            self.px(x),
            self.py(y)
        );
    }

    /// The band between two limits at each place.
    fn band(&mut self, points: &[(f64, f64, f64)], color: &str) {
        let there = points.iter().map(|(x, low, _)| (*x, *low));
        let back = points.iter().rev().map(|(x, _, high)| (*x, *high));
        let places: Vec<String> = there
            .chain(back)
            .map(|(x, y)| format!("{:.1},{:.1}", self.px(x), self.py(y)))
            .collect();
        let _ = write!(
            self.body,
            r#"<polygon points="{}" fill="{color}" opacity="0.15"/>"#,
            places.join(" ")
        );
    }

    fn label(&mut self, x: f64, y: f64, text: &str, color: &str) {
        let _ = write!(
            self.body,
            r#"<text x="{x:.1}" y="{:.1}" style="fill:{color}" class="label">{}</text>"#,
            y.max(11.0),
            escaped(text)
        );
    }

    fn finish(self, legend: &[(String, &str)]) -> String {
        let mut keys = String::new();
        for (text, color) in legend {
            let _ = write!(
                keys,
                r#"<span><i style="background:{color}"></i>{}</span>"#,
                escaped(text)
            );
        }
        format!(
            r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{}</svg><p class="legend">{keys}</p>"#,
            self.body
        )
    }
}

const PERCENT: [(f64, &str); 5] = [
    (0.0, "0 %"),
    (0.25, "25 %"),
    (0.5, "50 %"),
    (0.75, "75 %"),
    (1.0, "100 %"),
];

/// Power against tokens of an answer, one line for each cheat, with the band of its one-sided limits.
pub(crate) fn power(run: &Run, method: Method) -> String {
    let shown = [
        "t01-swap",
        "t03-int8",
        "t03-int4",
        "t03-laundered",
        "t04-cache4",
        "t05-layers",
        "t13-temperature",
        "t13-seed",
    ];
    let x = Axis::log(
        7.0,
        70.0,
        &[(8.0, "8"), (16.0, "16"), (32.0, "32"), (64.0, "64")],
    );
    let mut plot = Plot::new(
        x,
        Axis::linear(0.0, 1.0, &PERCENT),
        ["tokens of the answer", "answers flagged"],
    );
    let mut legend = Vec::new();
    for (attack, color) in shown.into_iter().zip(COLORS) {
        let lines: Vec<&Measured> = run
            .measured
            .iter()
            .filter(|m| m.method == method && m.group == attack)
            .collect();
        let band: Vec<(f64, f64, f64)> = lines
            .iter()
            .map(|m| (m.tokens as f64, m.at_least.as_f64(), m.at_most.as_f64()))
            .collect();
        let points: Vec<(f64, f64)> = lines
            .iter()
            .map(|m| (m.tokens as f64, m.flagged as f64 / m.answers.max(1) as f64))
            .collect();
        plot.band(&band, color);
        plot.line(&points, color);
        legend.push((attack.to_owned(), color));
    }
    plot.finish(&legend)
}

/// The largest share of reading that a cheat saves while at most a share of its answers are flagged.
pub(crate) fn savings(run: &Run) -> String {
    let x = Axis::log(0.008, 0.6, &[(0.01, "1 %"), (0.1, "10 %"), (0.5, "50 %")]);
    let mut plot = Plot::new(
        x,
        Axis::linear(0.0, 1.0, &PERCENT),
        [
            "share of answers that may be flagged",
            "reading of weights saved",
        ],
    );
    let mut legend = Vec::new();
    for (method, color) in [Method::Activations, Method::Tokens]
        .into_iter()
        .zip(COLORS)
    {
        let own: Vec<&(Method, f64, f64, String)> =
            run.frontier.iter().filter(|f| f.0 == method).collect();
        let points: Vec<(f64, f64)> = own.iter().map(|f| (f.1, f.2)).collect();
        plot.line(&points, color);
        for (_, share, saved, by) in own {
            let (x, y) = (plot.px(*share), plot.py(*saved));
            let right = x > WIDTH / 2.0;
            let x = if right {
                x - 6.0 * by.len() as f64
            } else {
                x + 6.0
            };
            plot.label(x, y - 8.0, by, color);
        }
        legend.push((method.id().to_owned(), color));
    }
    plot.finish(&legend)
}

/// The worst miss of each method against what its evidence costs beside the answer.
pub(crate) fn pareto(run: &Run) -> String {
    let x = Axis::log(
        0.8,
        3e4,
        &[
            (1.0, "1×"),
            (10.0, "10×"),
            (100.0, "100×"),
            (1e3, "1,000×"),
            (1e4, "10,000×"),
        ],
    );
    let y = Axis::linear(
        0.0,
        24.0,
        &[
            (0.0, "0"),
            (6.0, "6"),
            (12.0, "12"),
            (18.0, "18"),
            (24.0, "24"),
        ],
    );
    let mut plot = Plot::new(
        x,
        y,
        [
            "work for answer and evidence, as a multiple of the answer",
            "threats of 24 of which no attack passed",
        ],
    );
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (score, color) in run.scores.iter().zip(COLORS.into_iter().cycle()) {
        let Some(cost) = run.costs.iter().find(|c| c.method == score.method) else {
            continue;
        };
        let (x, y) = (1.0 + cost.overhead, score.caught as f64);
        plot.dot(x, y, color);
        let (px, mut py) = (plot.px(x) + 7.0, plot.py(y) + 4.0);
        while taken
            .iter()
            .any(|(ox, oy)| (ox - px).abs() < 110.0 && (oy - py).abs() < 11.0)
        {
            py -= 11.0;
        }
        taken.push((px, py));
        let glyph = if score.method.simulated() { "◇ " } else { "" };
        plot.label(px, py, &format!("{glyph}{}", score.method.id()), color);
    }
    plot.finish(&[])
}

/// Time to check one answer, and bytes of its evidence.
pub(crate) fn waterfall(run: &Run) -> String {
    let x = Axis::log(
        1e-3,
        1e5,
        &[(1e-3, "1 µs"), (1.0, "1 ms"), (1e3, "1 s"), (1e5, "100 s")],
    );
    let rows = run.costs.len() as f64;
    let mut plot = Plot::new(
        x,
        Axis::linear(0.0, rows, &[]),
        ["time to check one answer", ""],
    );
    for (row, (cost, color)) in run.costs.iter().zip(COLORS.into_iter().cycle()).enumerate() {
        let y = plot.py(rows - row as f64 - 0.5);
        let (start, end) = (plot.px(1e-3), plot.px(cost.check_ms));
        let height = 0.6 * (HEIGHT - MARGIN[2] - MARGIN[3]) / rows;
        let _ = write!(
            plot.body,
            r#"<rect x="{start:.1}" y="{:.1}" width="{:.1}" height="{height:.1}" fill="{color}" opacity="0.75"/>"#,
            y - height / 2.0,
            (end - start).max(1.0)
        );
        let text = format!(
            "{}: {:.2} ms, {} bytes",
            cost.method.id(),
            cost.check_ms,
            cost.evidence_bytes
        );
        let x = if end > WIDTH / 2.0 {
            start + 6.0
        } else {
            end + 6.0
        };
        plot.label(x, y + 4.0, &text, "currentColor");
    }
    plot.finish(&[])
}
