//! `evenkeel convert FILE`: a configuration as KDL on standard output; on standard error what is wrong with it, and what
//! became of it.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::Style;
use crate::config::convert::{Converted, Report, convert_as};

/// Exit status 0 clean, 1 with warnings, 2 when the file cannot be read or would not run either way.
pub(super) fn run(file: &Path, id: Option<&str>) -> ExitCode {
    let Converted { kdl, diagnostics, report } = convert_as(file, id);
    let style = if io::stderr().is_terminal() { Style::Colour } else { Style::Plain };
    eprint!("{}", diagnostics.render(style));
    let written = kdl.as_ref().map(|kdl| io::stdout().write_all(kdl.as_bytes()));
    match written {
        None => {
            eprintln!("{}: not converted: {}", file.display(), diagnostics.summary());
            return ExitCode::from(2);
        }
        Some(Err(cause)) => {
            eprintln!("cannot write: {cause}");
            return ExitCode::from(2);
        }
        Some(Ok(())) => eprint!("{}", said(file, &report)),
    }
    ExitCode::from(match (diagnostics.has_errors(), diagnostics.is_empty()) {
        (true, _) => 2,
        (false, empty) => u8::from(!empty),
    })
}

/// The report in words.
fn said(file: &Path, report: &Report) -> String {
    let Report { exact, differs, no_effect, left_out, directors, decided } = report;
    let mut text = format!(
        "{}: {exact} directives mean exactly what they mean in keepalived\n",
        file.display()
    );
    let lines = |what: &str, lines: &[String]| match lines {
        [] => String::new(),
        [one] => format!("{what}: line {one}, told above\n"),
        several => format!("{what}: lines {}, told above\n", several.join(", ")),
    };
    text += &lines("without effect here", no_effect);
    text += &lines("passed over, as keepalived does", left_out);
    if !differs.is_empty() {
        text += "different on purpose (docs/migration.md):\n";
        for (place, keyword, how) in differs {
            text += &format!("  {place}: {keyword}: {how}\n");
        }
    }
    if !directors.is_empty() {
        text +=
            &format!("kept as `when` and `unless`: what differs for {}\n", directors.join(", "));
    }
    if let Some(id) = decided {
        text +=
            &format!("conditions are decided for {id}: run convert with -i for each director\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grammar, convert_text};

    #[test]
    fn the_report_says_what_became_of_each_directive() {
        let text = "global_defs {\n router_id x\n enable_traps\n}\nvrrp_instance V {\n interface eth0\n \
                    virtual_router_id 5\n prioritty 5\n @lb1 priority 150\n @lb2 priority 100\n \
                    skip_check_adv_addr off\n virtual_ipaddress {\n  10.0.0.9\n }\n}\n";
        let converted = convert_text("k", text.as_bytes(), Grammar::Keepalived);
        let text = said(Path::new("k"), &converted.report);
        let wanted = [
            "k: 8 directives mean exactly",
            "without effect here: line 3, told above",
            "passed over, as keepalived does: line 8, told above",
            "  k:11:2: skip_check_adv_addr: off means off; keepalived turns it on",
            "kept as `when` and `unless`: what differs for lb1, lb2",
        ];
        for wanted in wanted {
            assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
        }
        let kdl = converted.kdl.unwrap();
        assert!(
            kdl.contains("    when \"lb1\" { priority 150 }\n    when \"lb2\" { priority 100 }\n"),
            "{kdl}"
        );
    }
}
