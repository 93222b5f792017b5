//! The methods that there are, from the descriptors that reflection shows.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::service::v1;

/// Stands for every path that is no method.
pub(super) const UNKNOWN: &str = "unknown";

static METHODS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let sets = [
        v1::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = BTreeSet::new();
    for bytes in sets {
        // They were encoded when this program was built; a test reads them.
        let files = FileDescriptorSet::decode(bytes).unwrap_or_default().file;
        for file in files {
            for service in &file.service {
                for method in &service.method {
                    let (package, service) = (file.package(), service.name());
                    methods.insert(format!("{package}.{service}/{}", method.name()));
                }
            }
        }
    }
    methods
});

/// The method of a path, `spotcheck.v1.PlanService/GetPlan`; or [`UNKNOWN`].
pub(super) fn method(path: &str) -> &'static str {
    let name = path.strip_prefix('/').unwrap_or(path);
    METHODS.get(name).map_or(UNKNOWN, String::as_str)
}

/// Whether a method is of use before the store is open and while the server stops.
pub(super) fn is_about_the_server(method: &str) -> bool {
    method.starts_with("grpc.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_and_nothing_else() {
        for name in [
            "spotcheck.v1.PlanService/DrawPlan",
            "spotcheck.v1.RegistryService/Import",
            "grpc.health.v1.Health/Check",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(method(&format!("/{name}")), name);
        }
        for path in ["", "/", "/spotcheck.v1.PlanService/Nothing", "/a\nb/c"] {
            assert_eq!(method(path), UNKNOWN);
        }
    }
}
