//! Merkle trees as RFC 9162 hashes them (section 2.1), over leaves that are hashed already.
//!
//! A leaf is H(0x00 ‖ data), a node H(0x01 ‖ left ‖ right); the left subtree of a tree of n leaves
//! has the largest power of two below n. The tree of no leaf is H of nothing. H is SHA-256, or what
//! the method of a plan says.

use super::{Digest, HashName};

/// The hash of logs, whose trees alone are proved to grow.
const LOG: HashName = HashName::Sha256;

/// The hash of a leaf.
#[must_use]
pub fn leaf(hash: HashName, data: &[u8]) -> Digest {
    hash.of(&[&[0], data])
}

/// The hash of a node.
#[must_use]
pub fn node(hash: HashName, left: &Digest, right: &Digest) -> Digest {
    hash.of(&[&[1], &left.0, &right.0])
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: usize) -> usize {
    1 << (size - 1).ilog2()
}

/// The root over leaves.
#[must_use]
pub fn root(hash: HashName, leaves: &[Digest]) -> Digest {
    match leaves {
        [] => hash.of(&[]),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node(hash, &root(hash, left), &root(hash, right))
        }
    }
}

/// The proof that a leaf is in the tree: its siblings from the bottom up; `None` if there is no
/// such leaf.
#[must_use]
pub fn inclusion(hash: HashName, leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = match index.checked_sub(left.len()) {
        None => (inclusion(hash, left, index)?, root(hash, right)),
        Some(index) => (inclusion(hash, right, index)?, root(hash, left)),
    };
    proof.push(other);
    Some(proof)
}

/// The root that a leaf leads to by its proof as number `index` of `size` leaves (RFC 9162,
/// 2.1.3.2); none if the proof has not the right length.
#[must_use]
pub fn root_from(
    hash: HashName,
    leaf: &Digest,
    (index, size): (u64, u64),
    proof: &[Digest],
) -> Option<Digest> {
    if index >= size {
        return None;
    }
    let (mut place, mut last) = (index, size - 1);
    let mut found = *leaf;
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            found = node(hash, sibling, &found);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            found = node(hash, &found, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(found)
}

/// Whether `proof` shows that the leaf is number `index` of the tree of `size` leaves with this
/// root.
#[must_use]
pub fn includes(
    hash: HashName,
    leaf: &Digest,
    place: (u64, u64),
    proof: &[Digest],
    root: &Digest,
) -> bool {
    root_from(hash, leaf, place, proof) == Some(*root)
}

/// The proof that the tree over the first `old` leaves is the beginning of the tree over all;
/// `None` if there are not so many. Empty if one of them has no leaf or both are the same.
#[must_use]
pub fn consistency(leaves: &[Digest], old: usize) -> Option<Vec<Digest>> {
    if old > leaves.len() {
        return None;
    }
    let mut proof = Vec::new();
    if old > 0 && old < leaves.len() {
        subproof(leaves, old, true, &mut proof);
    }
    Some(proof)
}

/// RFC 9162, 2.1.4.1.
fn subproof(leaves: &[Digest], old: usize, whole: bool, proof: &mut Vec<Digest>) {
    if old == leaves.len() {
        if !whole {
            proof.push(root(LOG, leaves));
        }
        return;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    if old <= left.len() {
        subproof(left, old, whole, proof);
        proof.push(root(LOG, right));
    } else {
        subproof(right, old - left.len(), false, proof);
        proof.push(root(LOG, left));
    }
}

/// Whether `proof` shows that the tree of `old` leaves is the beginning of the tree of `new`
/// leaves (RFC 9162, 2.1.4.2).
#[must_use]
pub fn consistent(
    (old, old_root): (u64, &Digest),
    (new, new_root): (u64, &Digest),
    proof: &[Digest],
) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && *old_root == Digest::of(b"");
    }
    // Where the old tree is a whole subtree its root begins the path, and is not sent.
    let begin = if old.is_power_of_two() { Some(old_root) } else { None };
    let mut path = begin.into_iter().chain(proof);
    let Some(first) = path.next() else { return false };
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for hash in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            from_old = node(LOG, hash, &from_old);
            from_new = node(LOG, hash, &from_new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node(LOG, &from_new, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The leaves of the test tree that Certificate Transparency's implementations share.
    fn shared() -> Vec<Digest> {
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        leaves.iter().map(|hex| leaf(LOG, &hex::decode(hex).unwrap())).collect()
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        for (size, wanted) in roots.into_iter().enumerate() {
            assert_eq!(root(LOG, &shared()[..size]).to_string(), wanted, "{size} leaves");
        }
    }

    proptest! {
        #[test]
        fn proofs_prove_and_nothing_else_does(size in 1usize..40, pick in any::<(u32, u32, u32)>()) {
            let leaves: Vec<Digest> = (0..size).map(|n| leaf(LOG, &n.to_le_bytes())).collect();
            let whole = root(LOG, &leaves);
            let index = pick.0 as usize % size;
            let proof = inclusion(LOG, &leaves, index).unwrap();
            let n = size as u64;
            prop_assert!(includes(LOG, &leaves[index], (index as u64, n), &proof, &whole));
            prop_assert!(!includes(LOG, &leaf(LOG, b"x"), (index as u64, n), &proof, &whole));
            let other = (index + 1) % size;
            prop_assert!(size == 1 || !includes(LOG, &leaves[index], (other as u64, n), &proof, &whole));
            let old = pick.1 as usize % (size + 1);
            let proof = consistency(&leaves, old).unwrap();
            let before = root(LOG, &leaves[..old]);
            prop_assert!(consistent((old as u64, &before), (n, &whole), &proof));
            if old > 0 {
                let mut forked = leaves.clone();
                forked[pick.2 as usize % old] = leaf(LOG, b"another");
                let fork = root(LOG, &forked);
                prop_assert!(!consistent((old as u64, &before), (n, &fork), &proof));
                let proof = consistency(&forked, old).unwrap();
                prop_assert!(!consistent((old as u64, &before), (n, &fork), &proof));
            }
        }
    }

    #[test]
    fn there_is_no_proof_of_what_is_not_there() {
        let leaves = shared();
        assert_eq!(inclusion(LOG, &leaves, 8), None);
        assert_eq!(consistency(&leaves, 9), None);
        assert!(!includes(LOG, &leaves[0], (8, 8), &[], &root(LOG, &leaves)));
    }
}
