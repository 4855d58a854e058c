//! Operators that sum products, and windows (§9.1, §9.6).

use proofmark_program::{ConstantId, Window2d};

use crate::Code;
use crate::map::{Map, Window};
use crate::operators::{Lowering, Value};
use crate::plan::{Place, Rule, Term, bound, free};
use crate::shape::Shape;

impl Lowering<'_> {
    pub(crate) fn linear(
        &mut self,
        x: &Value,
        y: &Value,
        weight: ConstantId,
        bias: Option<ConstantId>,
    ) -> Result<usize, Code> {
        let last = x.shape.0.len() - 1;
        let line = Shape(vec![x.shape.0[last]]);
        let lengths = [y.shape.0[last], line.0[0]];
        let eight = self.making.elements(weight);
        let w = self.making.constant(weight, &lengths, eight)?;
        let k = || bound(line.axis(0));
        let factors = vec![
            (w, [free(y.shape.axis(last)), k()].concat()),
            (x.tensor, [free(y.shape.axes(0..last)), k()].concat()),
        ];
        let sum = self
            .making
            .sum(&y.shape, y.interval, &line, vec![], factors);
        self.biased(sum, y, bias, last)
    }

    pub(crate) fn biased(
        &mut self,
        sum: usize,
        y: &Value,
        bias: Option<ConstantId>,
        axis: usize,
    ) -> Result<usize, Code> {
        let Some(bias) = bias else { return Ok(sum) };
        let elements = self.making.elements(bias);
        let bias = self.making.constant(bias, &[y.shape.0[axis]], elements)?;
        let others = (0..y.shape.0.len()).filter(|other| *other != axis);
        let terms = vec![
            Term {
                coefficient: 1,
                tensor: Some((sum, y.shape.all())),
                masks: vec![],
            },
            Term {
                coefficient: 1,
                tensor: Some((bias, y.shape.axis(axis).collect())),
                masks: y.shape.real_of(others),
            },
        ];
        Ok(self
            .making
            .tensor(&y.shape, y.interval, Rule::Linear(terms)))
    }

    /// Patches, and the windows that they are seen through.
    pub(crate) fn patches(
        &mut self,
        x: &Value,
        window: &Window2d,
        y: &Value,
        kernel_first: bool,
    ) -> (usize, Vec<Map>) {
        let images = x.shape.0.len() - 2;
        let (leading, image) = x.shape.0.split_at(images);
        let kernel = window.kernel.map(u64::from);
        let places = &y.shape.0[y.shape.0.len() - 2..];
        let (shape, of_kernel, of_images) = if kernel_first {
            (Shape([&kernel, leading, places].concat()), 0, 2)
        } else {
            (Shape([leading, &kernel, places].concat()), images, 0)
        };
        let image = Shape(image.to_vec());
        let inner = Some([0, 1].map(|at| shape.side(of_kernel + at)));
        let outer = [0, 1].map(|at| shape.side(images + 2 + at));
        let maps = windows(window, outer, inner, &image);
        let leading = free(shape.axes(of_images..of_images + images));
        let places = [leading, bound(0..image.variables())].concat();
        let factors = vec![(x.tensor, places)];
        let making = &mut self.making;
        let patches = making.sum(&shape, x.interval, &image, maps.clone(), factors);
        (patches, maps)
    }

    pub(crate) fn conv(
        &mut self,
        x: &Value,
        y: &Value,
        (weight, bias): (ConstantId, Option<ConstantId>),
        window: &Window2d,
        groups: u64,
    ) -> Result<usize, Code> {
        let lead = usize::from(x.by_position);
        let [kh, kw] = window.kernel.map(u64::from);
        let (channels, outputs) = (x.shape.0[lead] / groups, y.shape.0[lead]);
        let [rows, columns] = [1, 2].map(|at| y.shape.0[lead + at]);
        let (patches, _) = self.patches(x, window, y, false);
        let eight = self.making.elements(weight);
        let lengths = [outputs, channels, kh, kw];
        let w = self.making.constant(weight, &lengths, eight)?;
        let each = outputs / groups;
        let w = self.reshape(w, &Shape(vec![groups, each, channels, kh, kw]), eight);
        let leading = &x.shape.0[..lead];
        let grouped = [leading, &[groups, channels, kh, kw, rows, columns]].concat();
        let patches = self.reshape(patches, &Shape(grouped), x.interval);
        let result = Shape([leading, &[groups, each, rows, columns]].concat());
        let summed = Shape(vec![groups, channels, kh, kw]);
        let maps = if groups == 1 {
            vec![]
        } else {
            vec![Map::tie(result.side(lead), summed.side(0))]
        };
        let group = || bound(summed.axis(0));
        let kernel = || bound(summed.axes(1..4));
        let of_weight = [group(), free(result.axis(lead + 1)), kernel()];
        let of_patches = [
            free(result.axes(0..lead)),
            group(),
            kernel(),
            free(result.axes(lead + 2..lead + 4)),
        ];
        let factors = vec![(w, of_weight.concat()), (patches, of_patches.concat())];
        let sum = self.making.sum(&result, y.interval, &summed, maps, factors);
        let sum = self.reshape(sum, &y.shape, y.interval);
        self.biased(sum, y, bias, lead)
    }

    pub(crate) fn matmul(&mut self, x: &Value, other: &Value, y: &Value) -> usize {
        let lead = x.shape.0.len() - 2;
        let mut lengths = x.shape.0.clone();
        let row = lengths.remove(lead);
        debug_assert_eq!(row, y.shape.0[lead]);
        let summed = Shape(lengths);
        let maps = (0..lead).map(|axis| Map::tie(y.shape.side(axis), summed.side(axis)));
        let maps = maps.collect();
        let leading = || bound(summed.axes(0..lead));
        let k = || bound(summed.axis(lead));
        let of_x = [leading(), free(y.shape.axis(lead)), k()].concat();
        let of_other = [leading(), k(), free(y.shape.axis(lead + 1))].concat();
        let factors = vec![(x.tensor, of_x), (other.tensor, of_other)];
        self.making
            .sum(&y.shape, y.interval, &summed, maps, factors)
    }

    pub(crate) fn sum_pool(&mut self, x: &Value, y: &Value, window: &Window2d) -> usize {
        let images = x.shape.0.len() - 2;
        let image = Shape(x.shape.0[images..].to_vec());
        let outer = [0, 1].map(|at| y.shape.side(images + at));
        let maps = windows(window, outer, None, &image);
        let leading = free(y.shape.axes(0..images));
        let places = [leading, bound(0..image.variables())].concat();
        let factors = vec![(x.tensor, places)];
        self.making.sum(&y.shape, y.interval, &image, maps, factors)
    }

    pub(crate) fn reduce_sum(&mut self, x: &Value, y: &Value, axis: usize) -> usize {
        let line = Shape(vec![x.shape.0[axis]]);
        let places = (0..x.shape.0.len()).flat_map(|other| match other.cmp(&axis) {
            std::cmp::Ordering::Less => free(y.shape.axis(other)),
            std::cmp::Ordering::Equal => bound(line.axis(0)),
            std::cmp::Ordering::Greater => free(y.shape.axis(other - 1)),
        });
        let factors = vec![(x.tensor, places.collect::<Vec<Place>>())];
        self.making
            .sum(&y.shape, y.interval, &line, vec![], factors)
    }
}

fn windows(
    window: &Window2d,
    outer: [(Vec<usize>, u64); 2],
    inner: Option<[(Vec<usize>, u64); 2]>,
    image: &Shape,
) -> Vec<Map> {
    let [top, left, _, _] = window.pads;
    let pads = [top, left];
    let summed = window.kernel.map(|length| (vec![], u64::from(length)));
    let inner = inner.unwrap_or(summed);
    let of = outer.into_iter().zip(inner).enumerate();
    of.map(|(at, (outer, inner))| {
        Map::window(Window {
            outer,
            stride: window.strides[at].into(),
            inner,
            dilation: window.dilations[at].into(),
            offset: -i64::from(pads[at]),
            bound: image.side(at),
        })
    })
    .collect()
}
