//! Prints the kernel's IPVS table as `ipvsadm -Sn` does, with connection thresholds as well.
//!
//! `cargo run -p ipvs --example dump` (root, and the module ip_vs loaded)

use std::process::ExitCode;

fn main() -> ExitCode {
    match ipvs::Kernel::open().and_then(|mut kernel| kernel.dump()) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
