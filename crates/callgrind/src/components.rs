//! Finds functions that call each other in a cycle: the strongly connected components of a call graph.

/// The component of each node. Edges are given as a list of callees for each caller. Components are numbered
/// from 0.
///
/// This is Tarjan's algorithm (1972). It keeps a stack of its own, because call chains may be long.
pub(crate) fn components(callees: &[Vec<usize>]) -> Vec<usize> {
    let n = callees.len();
    let mut search = Search {
        callees,
        index: vec![UNSEEN; n],
        lowest: vec![0; n],
        component: vec![UNSEEN; n],
        open: Vec::new(),
        n_seen: 0,
        n_components: 0,
    };
    for node in 0..n {
        if search.index[node] == UNSEEN {
            search.visit(node);
        }
    }
    search.component
}

const UNSEEN: usize = usize::MAX;

struct Search<'a> {
    callees: &'a [Vec<usize>],
    /// The order in which nodes were first visited.
    index: Vec<usize>,
    /// The earliest node that is known to be reachable from each node.
    lowest: Vec<usize>,
    component: Vec<usize>,
    /// Visited nodes whose component is not complete yet.
    open: Vec<usize>,
    n_seen: usize,
    n_components: usize,
}

impl Search<'_> {
    fn visit(&mut self, root: usize) {
        // A node, and the number of its callees that have been visited.
        let mut way = vec![(root, 0)];
        self.enter(root);
        while let Some((node, next)) = way.last_mut() {
            let node = *node;
            match self.callees[node].get(*next).copied() {
                Some(callee) => {
                    *next += 1;
                    if self.index[callee] == UNSEEN {
                        self.enter(callee);
                        way.push((callee, 0));
                    } else if self.component[callee] == UNSEEN {
                        self.lowest[node] = self.lowest[node].min(self.index[callee]);
                    }
                }
                None => {
                    way.pop();
                    self.leave(node);
                    if let Some((caller, _)) = way.last() {
                        self.lowest[*caller] = self.lowest[*caller].min(self.lowest[node]);
                    }
                }
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.index[node] = self.n_seen;
        self.lowest[node] = self.n_seen;
        self.n_seen += 1;
        self.open.push(node);
    }

    fn leave(&mut self, node: usize) {
        if self.lowest[node] != self.index[node] {
            return;
        }
        while let Some(member) = self.open.pop() {
            self.component[member] = self.n_components;
            if member == node {
                break;
            }
        }
        self.n_components += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_are_found_and_nothing_else() {
        // 0 → 1 ⇄ 2 → 3, 4 calls itself.
        let found = components(&[vec![1], vec![2], vec![1, 3], vec![], vec![4]]);
        assert_eq!(found[1], found[2]);
        let mut distinct = vec![found[0], found[1], found[3], found[4]];
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 4);
    }

    #[test]
    fn a_chain_of_any_length_needs_no_deep_stack() {
        let n = 200_000;
        let chain: Vec<Vec<usize>> = (0..n).map(|node| vec![(node + 1) % n]).collect();
        assert!(components(&chain).iter().all(|component| *component == 0));
    }
}
