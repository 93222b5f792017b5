//! The right that each method needs. A method that is not here may be called by nobody; a test sees that all
//! are.

use super::Right;

/// The right that a method needs (`spotcheck.v1.PlanService/GetPlan`); none if there is no such method.
pub(in crate::service) fn right(method: &str) -> Option<Right> {
    use Right as R;
    let (service, name) = method.strip_prefix("spotcheck.v1.")?.split_once('/')?;
    Some(match (service, name) {
        ("RegistryService", "Import") => R::Registry,
        ("RegistryService", "GetRevision" | "ListRevisions") => R::Read,
        ("FrameService", "FreezeFrame") => R::Plan,
        ("FrameService", "GetFrame" | "ListFrames") => R::Read,
        ("FrameService", "ListExclusions") => R::Inspect,
        ("PlanService", "CreatePlan" | "DrawPlan" | "CheckFeasibility") => R::Plan,
        ("PlanService", "GetPlan" | "ListPlans" | "ListAllocation" | "GetCompliance") => R::Read,
        ("PlanService", "ListPlanLines" | "StreamPlanLines") => R::Lines,
        ("PlanService", "ExportPlan" | "RegeneratePlan" | "VerifyPlan") => R::Whole,
        ("LifecycleService", "ReplaceLine") => R::Field,
        ("LifecycleService", "GetFrozenPlan" | "ListFrozenPlans") => R::Read,
        ("LifecycleService", "ListReplacements") => R::Lines,
        ("LifecycleService", "GetPlanStanding") => R::Read,
        (
            "LifecycleService",
            "FreezePlan" | "SeedPlan" | "DrawFrozenPlan" | "IssuePlan" | "SupersedePlan"
            | "VoidPlan",
        ) => R::Plan,
        (
            "AuditService",
            "GetCheckpoint" | "ListLogEntries" | "GetInclusionProof" | "GetConsistencyProof",
        ) => R::Public,
        // Each form of a bundle has a right of its own, which its handler asks for.
        ("AuditService", "ExportBundle") => R::Public,
        ("AuditService", "ExplainUnit") => R::Inspect,
        ("AuditService", "TestDraws") => R::Whole,
        ("AuditService", "ExportStore" | "CheckStore") => R::Store,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::service::v1;

    #[test]
    fn every_method_needs_a_right() {
        let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
        let mut methods = 0;
        for file in files.iter().filter(|file| file.package() == "spotcheck.v1") {
            for service in &file.service {
                for method in &service.method {
                    let name = format!("spotcheck.v1.{}/{}", service.name(), method.name());
                    assert!(right(&name).is_some(), "{name}");
                    methods += 1;
                }
            }
        }
        assert!(methods > 30, "{methods}");
        assert_eq!(right("spotcheck.v1.PlanService/Nothing"), None);
        assert_eq!(right("grpc.health.v1.Health/Check"), None);
    }
}
