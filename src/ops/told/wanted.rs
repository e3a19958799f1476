//! PURE: from the configuration to who is told of what, with keepalived's defaults: mail of real servers unless said
//! otherwise, of everything else only where it is said.

use std::collections::BTreeSet;

use super::spec::{MailRules, MailSpec, Matter, ToldSpec};
use crate::config::model::{Config, Global, VirtualServer};

/// What virtual servers and their real servers say of mail themselves.
#[derive(Debug, Default)]
pub struct Said(Vec<(Matter, String, bool)>);

impl Said {
    /// Adds what one says.
    pub fn gather(&mut self, service: &VirtualServer) {
        let (Self(said), key) = (self, service.key);
        said.extend(
            service.smtp_alert.map(|alert| (Matter::VirtualServer, key.to_string(), alert)),
        );
        for server in &service.real_servers {
            let subject = |alert| (Matter::RealServer, format!("{} of {key}", server.key), alert);
            said.extend(server.smtp_alert.map(subject));
        }
    }
}

impl From<&Config> for ToldSpec {
    fn from(config: &Config) -> Self {
        let mut said = Said::default();
        config.virtual_servers.iter().for_each(|service| said.gather(service));
        Self::of(config, said)
    }
}

impl ToldSpec {
    /// The same where the virtual servers are not in the model.
    pub fn of(config: &Config, said: Said) -> Self {
        let Global { router_id, webhooks, .. } = &config.global;
        let (director, webhooks) = (router_id.clone(), webhooks.clone());
        Self { director, mail: mail(config, said), webhooks }
    }
}

/// None without a relay or without recipients.
fn mail(config: &Config, said: Said) -> Option<MailSpec> {
    let global = &config.global;
    let relay = global.smtp_server.as_ref().filter(|_| !global.notification_email.is_empty())?;
    Some(MailSpec {
        host: relay.host.clone(),
        port: relay.port,
        timeout: global.smtp_connect_timeout,
        helo: global.smtp_helo_name.clone(),
        from: global.notification_email_from.clone(),
        to: global.notification_email.clone(),
        security: global.smtp_tls.clone(),
        login: global.smtp_auth.clone(),
        rules: rules(config, said),
    })
}

fn rules(config: &Config, Said(said): Said) -> MailRules {
    let Global { smtp_alert, smtp_alert_vrrp, smtp_alert_checker, .. } = config.global;
    let checker = smtp_alert_checker.or(smtp_alert);
    let vrrp = smtp_alert_vrrp.or(smtp_alert).unwrap_or(false);
    let (real_servers, virtual_servers) = (checker.unwrap_or(true), checker.unwrap_or(false));
    let mut except = BTreeSet::new();
    let mut note = |matter, said: Option<bool>, by_default: bool, subject: String| {
        if said.is_some_and(|said| said != by_default) {
            except.insert((matter, subject));
        }
    };
    for (matter, subject, said) in said {
        let by_default =
            if matter == Matter::VirtualServer { virtual_servers } else { real_servers };
        note(matter, Some(said), by_default, subject);
    }
    for instance in &config.instances {
        note(Matter::Instance, instance.smtp_alert, vrrp, instance.name.clone());
    }
    for group in &config.sync_groups {
        note(Matter::Group, group.smtp_alert, vrrp, group.name.clone());
    }
    MailRules {
        real_servers,
        virtual_servers,
        instances: vrrp,
        groups: vrrp,
        except,
        no_faults: config.global.no_email_faults,
        no_checks: config.global.no_checker_emails,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Grammar;
    use crate::config::{self, Host};

    fn told(globals: &str, service: &str, server: &str, instance: &str) -> Option<MailSpec> {
        let text = format!(
            "global_defs {{\nnotification_email {{\nops@example.com\n}}\nsmtp_server 10.0.0.9 2525\n{globals}\n}}
vrrp_instance VI_1 {{\ninterface lo\nvirtual_router_id 1\npriority 100\n{instance}\nvirtual_ipaddress {{\n10.0.0.100\n}}\n}}
virtual_server 10.0.0.100 80 {{\nprotocol TCP\nlb_kind DR\n{service}\nreal_server 10.0.0.3 80 {{\n{server}\n}}\n}}\n"
        );
        let loaded =
            config::load_text("test.conf", text.as_bytes(), Grammar::Keepalived, Host::Any);
        ToldSpec::from(&loaded.config.unwrap()).mail
    }

    fn rules(globals: &str, service: &str, server: &str, instance: &str) -> MailRules {
        told(globals, service, server, instance).unwrap().rules
    }

    #[test]
    fn real_servers_are_mailed_unless_said_otherwise_and_the_rest_only_where_it_is_said() {
        let plain = rules("", "", "", "");
        assert!(plain.real_servers && !plain.virtual_servers && !plain.instances);
        let all = rules("smtp_alert on", "", "", "");
        assert!(all.real_servers && all.virtual_servers && all.instances && all.groups);
        let split = rules("smtp_alert on\nsmtp_alert_checker off", "", "", "");
        assert!(!split.real_servers && !split.virtual_servers && split.instances);
        let split = rules("smtp_alert_vrrp on\nno_email_faults\nno_checker_emails", "", "", "");
        assert!(split.instances && split.real_servers && !split.virtual_servers);
        assert!(split.no_faults && split.no_checks);
    }

    #[test]
    fn what_an_object_says_itself_holds_for_it() {
        let rules = rules("", "smtp_alert", "smtp_alert off", "smtp_alert");
        let wanted = [
            (Matter::RealServer, "10.0.0.3:80 of TCP 10.0.0.100:80".to_owned()),
            (Matter::VirtualServer, "TCP 10.0.0.100:80".to_owned()),
            (Matter::Instance, "VI_1".to_owned()),
        ];
        assert_eq!(rules.except, wanted.into());
    }
}
