//! Splitting budgets, against an oracle that tries everything.
