//! Tables of a sum's factors over the bound variables.

use proofmark_proof::field::{E, F, eq_table};
use proofmark_proof::plan::{Factor, Map, Sum, Variable};

use crate::sumcheck::Products;
use crate::witness::{Projection, Witness};

/// The products of a sum for weighted points, and which table is which claim's which factor.
pub(super) fn of_sum(
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
            products.tables.push(maps(&sum.maps, *weight, point, bound));
        }
        for (number, factor) in sum.factors.iter().enumerate() {
            term.push(products.tables.len());
            places.push((claim, number, products.tables.len()));
            products
                .tables
                .push(self::factor(witness, factor, point, bound));
        }
        products.terms.push(term);
    }
    (products, places)
}

/// weight · Π maps at the point.
fn maps(maps: &[Map], weight: E, point: &[E], bound: usize) -> Vec<E> {
    let mut table = vec![weight; 1 << bound];
    for map in maps {
        let row = map.row(point);
        let projection = Projection::new(bound, &map.bound());
        for (at, product) in table.iter_mut().enumerate() {
            *product *= row[projection.at(at)];
        }
    }
    table
}

/// A factor with its free variables at the point, over all bound variables.
fn factor(witness: &Witness, factor: &Factor, point: &[E], bound: usize) -> Vec<E> {
    let values = &witness.values[factor.tensor];
    let variables = factor.variables.len();
    let mut free_places = Vec::new();
    let mut free_point = Vec::new();
    let mut own_bound: Vec<(usize, usize)> = Vec::new();
    for (place, variable) in factor.variables.iter().enumerate() {
        match variable {
            Variable::Free(at) => {
                free_places.push(place);
                free_point.push(point[*at]);
            }
            Variable::Bound(at) => own_bound.push((*at, place)),
        }
    }
    own_bound.sort_unstable();
    let weights = eq_table(&free_point);
    let bound_places: Vec<usize> = own_bound.iter().map(|(_, place)| *place).collect();
    let free = Projection::new(variables, &free_places);
    let kept = Projection::new(variables, &bound_places);
    let mut table = vec![E::ZERO; 1 << bound_places.len()];
    for (at, value) in values.iter().enumerate() {
        if *value != 0 {
            table[kept.at(at)] += weights[free.at(at)].scale(F::from_i32(*value));
        }
    }
    if bound_places.len() == bound {
        return table;
    }
    let own: Vec<usize> = own_bound.iter().map(|(at, _)| *at).collect();
    let projection = Projection::new(bound, &own);
    (0..1 << bound).map(|at| table[projection.at(at)]).collect()
}
