//! Seconds of a proof over parameters of a network, both logarithmic, as SVG.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Machine;

/// One network.
pub(super) struct Point {
    pub(super) series: &'static str,
    pub(super) parameters: usize,
    pub(super) seconds: f64,
}

/// The plot's contents.
#[derive(Default)]
pub(super) struct Plot {
    pub(super) points: Vec<Point>,
}

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 500.0;
/// Decades of the axes: parameters, seconds.
const X: (i32, i32) = (3, 9);
const Y: (i32, i32) = (-2, 3);
const COLORS: [&str; 4] = ["#1b6ca8", "#d1495b", "#2e7d32", "#8e5ea2"];

fn place(parameters: f64, seconds: f64) -> (f64, f64) {
    let part = |value: f64, (low, high): (i32, i32)| {
        let (low, high) = (f64::from(low), f64::from(high));
        ((value.max(1e-12).log10() - low) / (high - low)).clamp(0.0, 1.0)
    };
    (
        LEFT + part(parameters, X) * (RIGHT - LEFT),
        BOTTOM - part(seconds, Y) * (BOTTOM - TOP),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl Plot {
    /// The picture; it refers to nothing outside of itself.
    pub(super) fn svg(&self, machine: &Machine) -> String {
        let mut out = String::new();
        // Writing into a text does not fail.
        let _ = self.draw(&mut out, machine);
        out
    }

    fn draw(&self, out: &mut String, machine: &Machine) -> std::fmt::Result {
        writeln!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="24" font-size="16" font-weight="bold">Proofs of inference: seconds over parameters</text>
<text x="{LEFT}" y="42" fill="#555555">{}, {} cores, Linux {}</text>"##,
            escaped(&machine.cpu),
            machine.cores,
            escaped(&machine.kernel)
        )?;
        axes(out)?;
        let mut series: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
        for point in &self.points {
            series.entry(point.series).or_default().push(point);
        }
        for (number, (name, mut points)) in series.into_iter().enumerate() {
            let color = COLORS[number % COLORS.len()];
            points.sort_by_key(|point| point.parameters);
            for point in &points {
                let (x, y) = place(point.parameters as f64, point.seconds);
                writeln!(
                    out,
                    r##"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="{color}" stroke="#ffffff"/>
<text x="{:.1}" y="{:.1}" fill="#555555" font-size="10">{:.3}</text>"##,
                    x + 7.0,
                    y + 3.0,
                    point.seconds
                )?;
            }
            let line = TOP + 14.0 + 20.0 * number as f64;
            writeln!(
                out,
                r##"<circle cx="{:.1}" cy="{:.1}" r="4.5" fill="{color}"/>
<text x="{:.1}" y="{line:.1}">{name}</text>"##,
                RIGHT + 25.0,
                line - 4.0,
                RIGHT + 36.0
            )?;
        }
        writeln!(out, "</svg>")
    }
}

fn axes(out: &mut String) -> std::fmt::Result {
    for decade in X.0..=X.1 {
        let (x, _) = place(10_f64.powi(decade), 1.0);
        writeln!(
            out,
            r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{BOTTOM}" stroke="#e0e0e0"/>
<text x="{x:.1}" y="{:.1}" text-anchor="middle">10<tspan dy="-5" font-size="9">{decade}</tspan></text>"##,
            BOTTOM + 20.0
        )?;
    }
    for decade in Y.0..=Y.1 {
        let (_, y) = place(1.0, 10_f64.powi(decade));
        writeln!(
            out,
            r##"<line x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}" stroke="#e0e0e0"/>
<text x="{:.1}" y="{:.1}" text-anchor="end">10<tspan dy="-5" font-size="9">{decade}</tspan></text>"##,
            LEFT - 10.0,
            y + 4.0
        )?;
    }
    writeln!(
        out,
        r##"<text x="{:.1}" y="{:.1}" text-anchor="middle">parameters</text>
<text x="24" y="{:.1}" transform="rotate(-90 24 {:.1})" text-anchor="middle">seconds</text>"##,
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 42.0,
        (TOP + BOTTOM) / 2.0,
        (TOP + BOTTOM) / 2.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_in_the_picture_and_slower_is_higher() {
        let (x, fast) = place(5e4, 0.05);
        let (further, slow) = place(4e6, 100.0);
        assert!(LEFT < x && x < further && further < RIGHT);
        assert!(TOP < slow && slow < fast && fast < BOTTOM);
        // What is beyond the axes stands at their end.
        assert_eq!(place(1.0, 1e9), (LEFT, TOP));
    }
}
