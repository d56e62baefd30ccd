{{/* What the Prometheus operator and Grafana's sidecar pick up; each is optional. */}}
{{- define "parley-common.monitoring" -}}
{{- $root := . -}}
{{- $fullname := include "parley-common.fullname" . -}}
{{- $m := .Values.metrics -}}
{{- if and $m.podMonitor.enabled $m.enabled }}
---
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "monitoring" "name" $fullname "labels" $m.podMonitor.labels) | nindent 2 }}
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .Chart.Name }}
      app.kubernetes.io/instance: {{ .Release.Name }}
  podTargetLabels:
    - app.kubernetes.io/component
    - app.kubernetes.io/instance
  podMetricsEndpoints:
    - port: metrics
      path: /metrics
      interval: {{ $m.podMonitor.interval }}
{{- end }}
{{- if $m.prometheusRule.enabled }}
{{- range $path, $content := .Files.Glob "files/rules/*.yaml" }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "monitoring" "name" (printf "%s-%s" $fullname (trimSuffix ".yaml" (base $path))) "labels" $m.prometheusRule.labels) | nindent 2 }}
spec:
  {{- $rules := $content | toString | trim }}
  {{- if $m.prometheusRule.ownNamespaceOnly }}
  {{- $own := printf "namespace=%q" $root.Release.Namespace }}
  {{- $rules = regexReplaceAll "(parley_[a-z0-9_]+)\\{" $rules (printf "${1}{%s," $own) }}
  {{- $rules = regexReplaceAll "(parley_[a-z0-9_]+)([^a-z0-9_{])" $rules (printf "${1}{%s}${2}" $own) }}
  {{- end }}
  {{- with $m.prometheusRule.runbookBase }}
  {{- $rules = regexReplaceAll "( +)runbook: docs/runbooks/(\\S+)" $rules (printf "${1}runbook: docs/runbooks/${2}\n${1}runbook_url: %s/${2}" (trimSuffix "/" .)) }}
  {{- end }}
  {{- $rules | nindent 2 }}
{{- end }}
{{- end }}
{{- if $m.dashboards.enabled }}
{{- range $path, $content := .Files.Glob "files/dashboards/*.json" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "dashboards" "name" (printf "%s-dashboard-%s" $fullname (trimSuffix ".json" (base $path))) "labels" $m.dashboards.labels "annotations" $m.dashboards.annotations) | nindent 2 }}
data:
  {{ base $path }}: |
    {{- $content | toString | trim | nindent 4 }}
{{- end }}
{{- end }}
{{- end -}}
