{{/*
Certificates and keys of an operator: (dict "root" $ "operator" "router" "certificates" (list "identity" ...)).
A hook Job makes what is absent before install and upgrade, a CronJob renews what has lived half its life. Both have a
Role for just these Secrets. Kubernetes cannot restrict creation by name.
*/}}
{{- define "parley-common.setup" -}}
{{- $root := .root -}}
{{- if $root.Values.setup.enabled -}}
{{- $name := printf "%s-setup" (include "parley-common.fullname" $root) -}}
{{- $hook := printf "%s-hook" $name -}}
{{- $events := "pre-install,pre-upgrade" -}}
{{- include "parley-common.hookAccount" (dict "root" $root "component" "setup-hook" "name" $hook "weight" -20 "events" $events) }}
---
{{ include "parley-common.setupRole" (merge (dict "component" "setup-hook" "name" $hook "annotations" (include "parley-common.hook" (list -20 $events) | fromYaml)) .) }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "setup-hook" "name" $hook "annotations" (include "parley-common.hook" (list -10 $events) | fromYaml)) | nindent 2 }}
spec:
  backoffLimit: {{ $root.Values.jobs.backoffLimit | int }}
  activeDeadlineSeconds: {{ $root.Values.jobs.deadlineSeconds | int }}
  template:
    {{- include "parley-common.setupPod" (merge (dict "component" "setup-hook" "account" $hook) .) | nindent 4 }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "setup" "name" $name) | nindent 2 }}
automountServiceAccountToken: false
---
{{ include "parley-common.setupRole" (merge (dict "component" "setup" "name" $name "annotations" dict) .) }}
---
apiVersion: batch/v1
kind: CronJob
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "setup" "name" $name) | nindent 2 }}
spec:
  schedule: {{ $root.Values.setup.renewalSchedule | quote }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 3600
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 2
  jobTemplate:
    spec:
      backoffLimit: {{ $root.Values.jobs.backoffLimit | int }}
      activeDeadlineSeconds: {{ $root.Values.jobs.deadlineSeconds | int }}
      ttlSecondsAfterFinished: 86400
      template:
        {{- include "parley-common.setupPod" (merge (dict "component" "setup" "account" $name) .) | nindent 8 }}
{{- end -}}
{{- end -}}

{{- define "parley-common.setupPod" -}}
{{- $root := .root -}}
{{- $args := list "setup" .operator "--release" (include "parley-common.fullname" $root) "--dns-suffix" (printf "%s.svc.%s" $root.Release.Namespace $root.Values.clusterDomain) -}}
{{- if not $root.Values.tls.certManager.enabled -}}
{{- $args = append $args "--tls" -}}
{{- range .extraDns -}}
{{- $args = concat $args (list "--extra-dns" .) -}}
{{- end -}}
{{- end -}}
{{- $env := printf "- name: PARLEY_TRUST_DOMAIN\n  value: %s" $root.Values.trustDomain -}}
{{- include "parley-common.taskPod" (dict "root" $root "component" .component "container" "setup" "account" .account "token" true "args" $args "env" $env) -}}
{{- end -}}

{{- define "parley-common.setupRole" -}}
{{- $root := .root -}}
{{- $fullname := include "parley-common.fullname" $root -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" .component "name" .name "annotations" .annotations) | nindent 2 }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [create]
  - apiGroups: [""]
    resources: [secrets]
    verbs: [get, update]
    resourceNames:
      - {{ $fullname }}-keys
      {{- if not $root.Values.tls.certManager.enabled }}
      - {{ $fullname }}-ca
      {{- range .certificates }}
      - {{ $fullname }}-{{ . }}-tls
      {{- end }}
      {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" .component "name" .name "annotations" .annotations) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ $root.Release.Namespace }}
{{- end -}}

{{/* Secrets that nobody can make again, for NOTES. */}}
{{- define "parley-common.keptSecrets" -}}
{{- $fullname := include "parley-common.fullname" . -}}
{{- $names := list -}}
{{- if .Values.setup.enabled }}{{ $names = append $names (printf "%s-keys" $fullname) }}{{ end -}}
{{- if not .Values.tls.certManager.enabled -}}
{{- if .Values.setup.enabled }}{{ $names = append $names (printf "%s-ca" $fullname) }}{{ end -}}
{{- else if not .Values.tls.certManager.issuerRef.name -}}
{{- $names = append $names (printf "%s-authority" $fullname) -}}
{{- end -}}
{{- join ", " $names -}}
{{- end -}}
