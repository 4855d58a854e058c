//! Tables of a sum's factors over the bound variables.

use proofmark_kernels::field::{Planes, sum_integers};
use proofmark_proof::field::{E, eq_table};
use proofmark_proof::plan::{Factor, Map, Sum, Variable};

use crate::Machine;
use crate::sumcheck::Products;
use crate::witness::{Projection, Witness};

/// The products of a sum for weighted points, and which table is which claim's which factor.
pub(super) fn of_sum(
    machine: Machine<'_>,
    witness: &Witness,
    sum: &Sum,
    points: &[(E, Vec<E>)],
) -> (Products, Vec<(usize, usize, usize)>) {
    let bound = sum.bound.variables();
    let mut products = Products {
        tables: Vec::new(),
        terms: Vec::new(),
    };
    let mut places = Vec::new();
    for (claim, (weight, point)) in points.iter().enumerate() {
        let mut term = Vec::new();
        if !sum.maps.is_empty() || *weight != E::ONE {
            term.push(products.tables.len());
            products
                .tables
                .push(maps(machine, &sum.maps, *weight, point, bound));
        }
        for (number, factor) in sum.factors.iter().enumerate() {
            term.push(products.tables.len());
            places.push((claim, number, products.tables.len()));
            products
                .tables
                .push(self::factor(machine, witness, factor, point, bound));
        }
        products.terms.push(term);
    }
    (products, places)
}

/// weight · Π maps at the point.
fn maps(machine: Machine<'_>, maps: &[Map], weight: E, point: &[E], bound: usize) -> Planes {
    let rows: Vec<(Vec<E>, Projection)> = maps
        .iter()
        .map(|map| (map.row(point), Projection::new(bound, &map.bound())))
        .collect();
    Planes::filled(1 << bound, machine.pool, |at| {
        let factors = rows.iter();
        factors.fold(weight, |product, (row, projection)| {
            product * row[projection.at(at)]
        })
    })
}

/// A factor with its free variables at the point, over all bound variables.
fn factor(
    machine: Machine<'_>,
    witness: &Witness,
    factor: &Factor,
    point: &[E],
    bound: usize,
) -> Planes {
    let Machine { pool, isa } = machine;
    let values = &witness.values[factor.tensor];
    let variables = factor.variables.len();
    let mut free: Vec<(usize, E)> = Vec::new();
    let mut own: Vec<(usize, usize)> = Vec::new();
    for (place, variable) in factor.variables.iter().enumerate() {
        match variable {
            Variable::Free(at) => free.push((place, point[*at])),
            Variable::Bound(at) => own.push((*at, place)),
        }
    }
    own.sort_unstable();
    let weights = eq_table(&free.iter().map(|(_, at)| *at).collect::<Vec<_>>());
    // Free variables first: a matrix with a weight for each row.
    let order = free.iter().map(|(place, _)| *place);
    let order: Vec<usize> = order.chain(own.iter().map(|(_, place)| *place)).collect();
    let mut places = vec![0; variables];
    for (at, place) in order.into_iter().enumerate() {
        places[place] = at;
    }
    let matrix = Projection::new(variables, &places).apply(variables, values, pool);
    let table = sum_integers(&matrix, 1 << own.len(), &weights, pool, isa);
    if own.len() == bound {
        return table;
    }
    let own: Vec<usize> = own.iter().map(|(at, _)| *at).collect();
    let projection = Projection::new(bound, &own);
    Planes::filled(1 << bound, pool, |at| table.at(projection.at(at)))
}
