import { describe, expect, it } from "vitest";
import { charts } from "./charts.mjs";
import { helm } from "./helm-for-tests.mjs";
import { template } from "./render.mjs";

/** A wrong value, and what the refusal must name. */
const EVERYWHERE = [
  ["imagee.tag=1", "imagee"],
  ["image.tga=1", "tga"],
  ["image.pullPolicy=Sometimes", "pullPolicy"],
  ["image.digest=sha256:short", "digest"],
  ["logLevel=loud", "logLevel"],
  ["fullnameOverride=Upper_Case", "fullnameOverride"],
  ["workload.replicas=-1", "replicas"],
  ["workload.replicas=two", "replicas"],
  ["workload.drainSeconds=0", "drainSeconds"],
  ["workload.nodeSelectr.a=b", "nodeSelectr"],
  ["workload.nodeSelector.disk=7", "disk"],
  ["workload.keda.triggers[0].query=up", "threshold"],
  ["workload.service.type=ExternalName", "type"],
  ["networkPolicy.otlp.ports[0]=70000", "ports"],
  ["networkPolicy.metricz[0].a=b", "metricz"],
  ["telemetry.protocol=udp", "protocol"],
  ["telemetry.sampler=sometimes", "sampler"],
  ["telemetry.metricIntervalMs=5", "metricIntervalMs"],
  ["metrics.podMonitor.interval=often", "interval"],
  ["ingress.hosts[0].host=a.example.org", "component"],
  ["gateway.apiVersion=v1", "apiVersion"],
  ["jobs.backoffLimit=-1", "backoffLimit"],
  ["global=text", "global"],
];
const ONLY: Record<string, string[][]> = {
  "parley-router": [
    ["trustDomain=Not_A_Name", "trustDomain"],
    ["database.existingSecret=Under_Score", "existingSecret"],
    ["database.url=postgresql://user:password@host/db", "url"],
    ["redis.password=secret", "password"],
    ["addresses.identity=no-port", "identity"],
    ["scheduler.maxAttempts=0", "maxAttempts"],
    ["scheduler.maxAttemps=3", "maxAttemps"],
    ["embedded.valkey.command=sh", "command"],
    ["tls.certManager.duration=30d", "duration"],
    ["ingress.hosts[0].component=worker", "component"],
  ],
  "parley-dealer": [
    ["dealer.voidAtStart=maybe", "voidAtStart"],
    ["embedded.valkey.image=x", "valkey"],
    ["setup.renewalSchedule=daily", "renewalSchedule"],
    ["tls.certManager.issuerRef.kind=Authority", "kind"],
  ],
  "parley-access-point": [
    ["organisation=Clinic A", "organisation"],
    ["accessPoint.replicas=2", "replicas"],
    ["accessPoint.autoscaling.enabled=true", "autoscaling"],
    ["accessPoint.persistence.retain=Sometimes", "retain"],
    ["accessPoint.traceBoundary=cut", "traceBoundary"],
    ["worker.concurrency=0", "concurrency"],
    ["worker.lot=100", "lot"],
    ["worker.service.type=LoadBalancer", "service"],
    ["enrolment.trust[0].organisation=clinic-b", "fingerprint"],
    ["enrolment.router.token=secret", "token"],
    ["selfTest.enabled=perhaps", "enabled"],
  ],
};

const refusal = (chart: string, values: string) =>
  template(helm, chart, "r", "n", ["--set", values]).then(
    () => "accepted",
    (error: Error) => error.message,
  );

describe.skipIf(!helm).each(charts)("the schema of $name", ({ name }) => {
  it.each([...EVERYWHERE, ...ONLY[name]])("refuses %s and names %s", async (values, named) => {
    const message = await refusal(name, values);
    expect(message).toContain("values don't meet the specifications of the schema");
    expect(message).toContain(named);
  });
});

describe.skipIf(!helm)("what no schema can say", () => {
  it.each([
    ["parley-router", "redis.existingSecret=a", "database.existingSecret"],
    ["parley-router", "database.existingSecret=a", "redis.existingSecret"],
    ["parley-dealer", "embedded.enabled=false", "database.existingSecret"],
    ["parley-access-point", "logLevel=info", "organisation"],
  ])("%s with %s asks for %s", async (chart, values, named) => {
    expect(await refusal(chart, values)).toContain(named);
  });

  it.each([
    ["worker.autoscaling.enabled=true,worker.keda.enabled=true", "exclude each other"],
    ["worker.keda.enabled=true", "keda.serverAddress"],
    ["worker.keda.enabled=true,worker.keda.triggers=null", "worker.keda.triggers"],
    ["ingress.enabled=true", "ingress.hosts"],
    ["gateway.enabled=true", "gateway.parentRefs"],
  ])("an access point with %s is refused: %s", async (values, named) => {
    expect(await refusal("parley-access-point", `organisation=a,${values}`)).toContain(named);
  });
});
