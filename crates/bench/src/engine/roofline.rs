//! The roofline plot (Williams, Waterman and Patterson, 2009): operations per second over operations per byte of weights, as SVG.

use std::fmt::Write as _;

use crate::Machine;

/// What the machine could do with a number of threads.
pub(super) struct Ceiling {
    pub(super) threads: usize,
    pub(super) bytes_per_second: f64,
    pub(super) operations_per_second: f64,
}

/// A measurement.
pub(super) struct Point {
    pub(super) label: String,
    pub(super) operations_per_byte: f64,
    pub(super) operations_per_second: f64,
}

/// The plot's contents.
#[derive(Default)]
pub(super) struct Roofline {
    pub(super) points: Vec<Point>,
    ceilings: Vec<Ceiling>,
}

const WIDTH: f64 = 980.0;
const HEIGHT: f64 = 620.0;
/// The plot's area; legend and axes are around it.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 550.0;
/// Decades of the axes: operations per byte, operations per second.
const X: (f64, f64) = (0.0, 3.5);
const Y: (f64, f64) = (10.0, 13.0);
const COLORS: [&str; 8] = [
    "#1b6ca8", "#d1495b", "#2e7d32", "#8e5ea2", "#c77800", "#00838f", "#6d4c41", "#455a64",
];

fn place(operations_per_byte: f64, operations_per_second: f64) -> (f64, f64) {
    let part = |value: f64, (low, high): (f64, f64)| {
        ((value.max(1.0).log10() - low) / (high - low)).clamp(0.0, 1.0)
    };
    (
        LEFT + part(operations_per_byte, X) * (RIGHT - LEFT),
        BOTTOM - part(operations_per_second, Y) * (BOTTOM - TOP),
    )
}

impl Roofline {
    /// Adds a ceiling; of several with as many threads, the highest of each kind counts.
    pub(super) fn add_ceiling(&mut self, ceiling: Ceiling) {
        match self
            .ceilings
            .iter_mut()
            .find(|known| known.threads == ceiling.threads)
        {
            Some(known) => {
                known.bytes_per_second = known.bytes_per_second.max(ceiling.bytes_per_second);
                known.operations_per_second = known
                    .operations_per_second
                    .max(ceiling.operations_per_second);
            }
            None => self.ceilings.push(ceiling),
        }
    }

    /// The picture; it refers to nothing outside of itself.
    pub(super) fn svg(&self, machine: &Machine) -> String {
        let mut out = String::new();
        let _ = self.draw(&mut out, machine);
        out
    }

    fn draw(&self, out: &mut String, machine: &Machine) -> std::fmt::Result {
        writeln!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="24" font-size="16" font-weight="bold">Roofline of exact decoders</text>
<text x="{LEFT}" y="40" fill="#555555">{}, {} cores, Linux {}</text>"##,
            escaped(&machine.cpu),
            machine.cores,
            escaped(&machine.kernel)
        )?;
        axes(out)?;
        for ceiling in &self.ceilings {
            roof(out, ceiling)?;
        }
        for (index, point) in self.points.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let (x, y) = place(point.operations_per_byte, point.operations_per_second);
            let line = TOP + 10.0 + 19.0 * index as f64;
            writeln!(
                out,
                r##"<circle cx="{x:.1}" cy="{y:.1}" r="5" fill="{color}" stroke="#ffffff"/>
<circle cx="{:.1}" cy="{:.1}" r="5" fill="{color}"/>
<text x="{:.1}" y="{:.1}">{} ({:.0} GOP/s)</text>"##,
                RIGHT + 25.0,
                line - 4.0,
                RIGHT + 36.0,
                line,
                escaped(&point.label),
                point.operations_per_second / 1e9
            )?;
        }
        writeln!(out, "</svg>")
    }
}

fn axes(out: &mut String) -> std::fmt::Result {
    for decade in 0..=3 {
        let (x, _) = place(10_f64.powi(decade), 1.0);
        writeln!(
            out,
            r##"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{BOTTOM}" stroke="#dddddd"/>
<text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"##,
            BOTTOM + 18.0,
            10_u32.pow(decade.unsigned_abs())
        )?;
    }
    for decade in 10..=13 {
        let (_, y) = place(1.0, 10_f64.powi(decade));
        writeln!(
            out,
            r##"<line x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}" stroke="#dddddd"/>
<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"##,
            LEFT - 8.0,
            y + 4.0,
            10_u32.pow((decade - 9).unsigned_abs())
        )?;
    }
    let (middle, bottom) = (f64::midpoint(LEFT, RIGHT), BOTTOM + 40.0);
    let height = f64::midpoint(TOP, BOTTOM);
    writeln!(
        out,
        r##"<text x="{middle:.1}" y="{bottom:.1}" text-anchor="middle">operations per byte of weights (a product and a sum are two)</text>
<text x="24" y="{height:.1}" text-anchor="middle" transform="rotate(-90 24 {height:.1})">10⁹ operations per second</text>"##
    )
}

fn roof(out: &mut String, ceiling: &Ceiling) -> std::fmt::Result {
    let ridge = ceiling.operations_per_second / ceiling.bytes_per_second;
    let (x0, y0) = place(1.0, ceiling.bytes_per_second);
    let (x1, y1) = place(ridge, ceiling.operations_per_second);
    writeln!(
        out,
        r##"<polyline points="{x0:.1},{y0:.1} {x1:.1},{y1:.1} {RIGHT:.1},{y1:.1}" fill="none" stroke="#333333" stroke-width="1.5"/>
<text x="{:.1}" y="{:.1}" fill="#333333" text-anchor="end">{} threads: {:.1} GB/s, linear kernel {:.0} GOP/s</text>"##,
        RIGHT - 4.0,
        y1 - 6.0,
        ceiling.threads,
        ceiling.bytes_per_second / 1e9,
        ceiling.operations_per_second / 1e9
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, Roofline, place};

    #[test]
    fn the_roof_bends_where_its_ceilings_meet() {
        let (x, y) = place(10.0, 1e11);
        let (right, above) = place(100.0, 1e12);
        assert!(right > x && above < y, "axes point right and up");
    }

    #[test]
    fn a_second_ceiling_of_as_many_threads_only_raises_the_first() {
        let mut roofline = Roofline::default();
        for (bytes_per_second, operations_per_second) in [(1e10, 2e12), (2e10, 1e12)] {
            roofline.add_ceiling(Ceiling {
                threads: 2,
                bytes_per_second,
                operations_per_second,
            });
        }
        assert_eq!(roofline.ceilings.len(), 1);
        assert_eq!(
            roofline.ceilings[0].bytes_per_second.to_bits(),
            2e10_f64.to_bits()
        );
        assert_eq!(
            roofline.ceilings[0].operations_per_second.to_bits(),
            2e12_f64.to_bits()
        );
    }
}
