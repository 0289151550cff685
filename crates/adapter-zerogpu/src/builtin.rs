//! Providers that need no configuration: tables of settings, as a person would write them.

use serde_json::{Map, Value};

const TABLES: &str = include_str!("builtin.json");

/// The built-in providers by name: what `[providers.NAME]` would say, `kind` included.
pub fn builtin_providers() -> Map<String, Value> {
    // A test holds the file to its form.
    serde_json::from_str(TABLES).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use domain::ProviderId;
    use ports::ProviderSpec;

    use super::builtin_providers;
    use crate::generator::KIND;
    use crate::role::Role;
    use crate::settings::Settings;

    #[test]
    fn the_built_in_tables_are_valid_settings() {
        let providers = builtin_providers();
        let names: Vec<&str> = providers.keys().map(String::as_str).collect();
        assert_eq!(names, ["qwen3_zerogpu", "qwen3_zerogpu_eval"]);
        for (name, table) in providers {
            let mut settings = table.as_object().unwrap().clone();
            assert_eq!(settings.remove("kind").unwrap(), KIND);
            let spec = ProviderSpec { id: ProviderId::new(name).unwrap(), settings };
            Settings::read(&spec).unwrap();
        }
    }

    #[test]
    fn the_origins_ranges_are_kept() {
        let table = builtin_providers()["qwen3_zerogpu"].as_object().unwrap().clone();
        let settings = table.into_iter().filter(|(key, _)| key != "kind").collect();
        let spec = ProviderSpec { id: ProviderId::new("q").unwrap(), settings };
        let settings = Settings::read(&spec).unwrap();
        assert_eq!(settings.ranges[&Role::MaxTokens], (128.0, 1024.0));
        assert_eq!(settings.ranges[&Role::Temperature], (0.0, 1.0));
    }
}
