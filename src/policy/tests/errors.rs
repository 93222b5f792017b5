//! Every kind of error once, with its key and its line.
