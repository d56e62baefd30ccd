{{/*
Migrations of a release: (dict "root" $ "services" (list "identity" ...) "env" text). A hook Job before install and upgrade
where the database is there already; replicas and repeated runs are safe, for a migration holds an advisory lock. The
trial database comes with the release itself, so there init containers do it ("parley-common.migrationInit").
*/}}
{{- define "parley-common.migrationJob" -}}
{{- $root := .root -}}
{{- if include "parley-common.migrationByJob" $root -}}
{{- $name := printf "%s-migrate" (include "parley-common.fullname" $root) -}}
{{- include "parley-common.hookAccount" (dict "root" $root "component" "migrate" "name" $name "weight" -5 "events" "pre-install,pre-upgrade") }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "migrate" "name" $name "annotations" (include "parley-common.hook" (list 0 "pre-install,pre-upgrade") | fromYaml)) | nindent 2 }}
spec:
  backoffLimit: {{ $root.Values.jobs.backoffLimit | int }}
  activeDeadlineSeconds: {{ $root.Values.jobs.deadlineSeconds | int }}
  template:
    {{- $first := first .services }}
    {{- $pod := include "parley-common.taskPod" (dict "root" $root "component" "migrate" "container" $first "account" $name "args" (list $first) "env" (include "parley-common.migrationEnv" .) "mounts" (include "parley-common.migrationMounts" .) "volumes" (include "parley-common.migrationVolumes" .)) | fromYaml }}
    {{- range rest .services }}
    {{- $container := include "parley-common.taskContainer" (dict "root" $root "container" . "args" (list .) "env" (include "parley-common.migrationEnv" $) "mounts" (include "parley-common.migrationMounts" $)) | fromYaml }}
    {{- $_ := set $pod.spec "containers" (append $pod.spec.containers $container) }}
    {{- end }}
    {{- toYaml $pod | nindent 4 }}
{{- end -}}
{{- end -}}

{{- define "parley-common.migrationByJob" -}}
{{- if and .Values.migrations.enabled (not .Values.embedded.enabled) }}true{{ end -}}
{{- end -}}

{{/* Settings that the service reads at its start, though a migration uses the database alone. */}}
{{- define "parley-common.migrationEnv" -}}
- name: PARLEY_ENV
  value: production
- name: PARLEY_MIGRATE
  value: only
{{ include "parley-common.databaseEnv" .root }}
{{ include "parley-common.certificateEnv" . }}
{{- with .env }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "parley-common.migrationMounts" -}}
- name: data
  mountPath: /var/lib/parley
{{- end -}}

{{- define "parley-common.migrationVolumes" -}}
- name: data
  emptyDir: {}
{{- end -}}

{{/* What the service itself does: nothing where a Job has run. */}}
{{- define "parley-common.migrateVariable" -}}
{{- if .Values.migrations.enabled -}}
- name: PARLEY_MIGRATE
  value: skip
{{- end -}}
{{- end -}}

{{/* Waits for the trial database, then migrates: (dict "root" $ "service" "identity" "env" text). */}}
{{- define "parley-common.migrationInit" -}}
{{- if and .root.Values.migrations.enabled .root.Values.embedded.enabled -}}
{{- $host := include "parley-common.host" (list .root "postgresql") -}}
- {{ include "parley-common.taskContainer" (dict "root" .root "container" "wait-for-database" "command" (include "parley-common.waitCommand" (list $host 5432) | fromJsonArray)) | nindent 2 | trim }}
- {{ include "parley-common.taskContainer" (dict "root" .root "container" "migrate" "args" (list .service) "env" (include "parley-common.migrationEnv" .) "mounts" (include "parley-common.migrationMounts" .)) | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{/* A command that waits until host and port answer: the image has no shell. (list host port) */}}
{{- define "parley-common.waitCommand" -}}
{{- $script := printf "const net = require('node:net'); const again = () => { const s = net.connect(%d, '%s'); s.on('connect', () => process.exit(0)); s.on('error', () => setTimeout(again, 500)); s.setTimeout(2000, () => s.destroy(new Error('timeout'))); }; again();" (index . 1 | int) (index . 0) -}}
{{- list "node" "-e" $script | toJson -}}
{{- end -}}
