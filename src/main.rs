//! The `spotcheck` binary: see [`spotcheck::cli`].

fn main() -> std::process::ExitCode {
    spotcheck::cli::main()
}
