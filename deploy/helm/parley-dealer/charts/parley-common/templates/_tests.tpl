{{/*
`helm test`: (dict "root" $ "targets" (list (dict "host" h "port" 8443 "mutual" true)) "secret" name of a Secret with
ca.crt and, for mutual targets, tls.crt and tls.key; "more" a list of containers). Makes one gRPC call to every server
under its own name, with certificates checked in both directions. The pod stays, for `helm test --logs`.
*/}}
{{- define "parley-common.connectionTest" -}}
{{- $root := .root -}}
{{- $name := printf "%s-test" (include "parley-common.fullname" $root) -}}
{{- include "parley-common.hookAccount" (dict "root" $root "component" "test" "name" $name "weight" -1 "events" "test") }}
---
apiVersion: v1
kind: Pod
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "test" "name" $name "annotations" (dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation")) | nindent 2 }}
spec:
  {{- $volumes := printf "- name: files\n  secret:\n    secretName: %s\n    defaultMode: 288" .secret }}
  {{- $task := include "parley-common.taskPod" (dict "root" $root "component" "test" "container" "connections" "account" $name "command" (include "parley-common.testCommand" . | fromJsonArray) "mounts" (include "parley-common.testMounts" .) "volumes" $volumes) | fromYaml }}
  {{- range .more }}
  {{- $_ := set $task.spec "containers" (append $task.spec.containers .) }}
  {{- end }}
  {{- toYaml $task.spec | nindent 2 }}
{{- end -}}

{{- define "parley-common.testMounts" -}}
- name: files
  mountPath: /etc/parley/files
  readOnly: true
{{- end -}}

{{- define "parley-common.testCommand" -}}
{{- list "node" "--input-type=module" "-e" (include "parley-common.testScript" .) (toJson .targets) | toJson -}}
{{- end -}}

{{/* An unknown method must be answered with gRPC status 12 (unimplemented): TLS, HTTP/2 and gRPC all work then. */}}
{{- define "parley-common.testScript" -}}
import { connect } from "node:http2";
import { readFileSync } from "node:fs";
const file = (name) => readFileSync("/etc/parley/files/" + name);
const own = () => ({ cert: file("tls.crt"), key: file("tls.key") });
const call = ({ host, port, mutual }) => new Promise((resolve, reject) => {
  const session = connect("https://" + host + ":" + port, { ca: file("ca.crt"), ...(mutual && own()) });
  session.setTimeout(15000, () => session.destroy(new Error("no answer within 15 s")));
  session.on("error", reject);
  const stream = session.request({ ":method": "POST", ":path": "/parley.test/Unknown", "content-type": "application/grpc", te: "trailers" });
  const seen = (headers) => headers["grpc-status"] && (session.close(), resolve(headers["grpc-status"]));
  stream.on("response", seen).on("trailers", seen).on("error", reject).resume();
  stream.end(Buffer.alloc(5));
});
let failed = false;
for (const target of JSON.parse(process.argv[1])) {
  const answer = await call(target).catch((error) => error.message);
  console.log(target.host + ":" + target.port + " " + (answer === "12" ? "answers" : "FAILED: " + answer));
  failed ||= answer !== "12";
}
process.exit(failed ? 1 : 0);
{{- end -}}
