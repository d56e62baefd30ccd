{{/*
Policy of one component: (dict "root" $ "component" c "ingress" text "egress" text). Everything that is not named is
refused, in both directions.
*/}}
{{- define "parley-common.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component "name" .name "annotations" .annotations) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "parley-common.selectorLabels" (list .root .component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with .ingress | default "" | trim }}
  ingress:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .egress | default "" | trim }}
  egress:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Nothing in, nothing out, for every pod of the release; the policies of the components open what they need. */}}
{{- define "parley-common.defaultDeny" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "default-deny" "name" (printf "%s-default-deny" (include "parley-common.fullname" .))) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .Chart.Name }}
      app.kubernetes.io/instance: {{ .Release.Name }}
  policyTypes: [Ingress, Egress]
{{- end -}}

{{/* One rule: (dict "way" "from" or "to", "peers" list, "ports" list of numbers). No peers: everybody. */}}
{{- define "parley-common.rule" }}
- ports:
    {{- range .ports }}
    - port: {{ . | int }}
      protocol: TCP
    {{- end }}
  {{- with .peers }}
  {{ $.way }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Components of the same release as peers: (list $ "identity" "scheduler"). */}}
{{- define "parley-common.peers" -}}
{{- $root := first . -}}
{{- $peers := list -}}
{{- range rest . -}}
{{- $labels := include "parley-common.selectorLabels" (list $root .) | fromYaml -}}
{{- $peers = append $peers (dict "podSelector" (dict "matchLabels" $labels)) -}}
{{- end -}}
{{- toJson $peers -}}
{{- end -}}

{{- define "parley-common.dnsRule" }}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  {{- with .Values.networkPolicy.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What every service may do: ask for names, export telemetry. */}}
{{- define "parley-common.commonEgress" -}}
{{- include "parley-common.dnsRule" . }}
{{- if .Values.telemetry.endpoint }}
{{- include "parley-common.rule" (dict "way" "to" "peers" .Values.networkPolicy.otlp.peers "ports" .Values.networkPolicy.otlp.ports) }}
{{- end }}
{{- end -}}

{{- define "parley-common.metricsIngress" -}}
{{- if .Values.metrics.enabled }}
{{- include "parley-common.rule" (dict "way" "from" "peers" .Values.networkPolicy.metrics "ports" (list 9464)) }}
{{- end }}
{{- end -}}

{{- define "parley-common.databaseEgress" -}}
{{- if .Values.embedded.enabled }}
{{- include "parley-common.rule" (dict "way" "to" "peers" (include "parley-common.peers" (list . "postgresql") | fromJsonArray) "ports" (list 5432)) }}
{{- else }}
{{- include "parley-common.rule" (dict "way" "to" "peers" .Values.networkPolicy.database.peers "ports" .Values.networkPolicy.database.ports) }}
{{- end }}
{{- end -}}

{{- define "parley-common.apiServerEgress" -}}
{{- include "parley-common.rule" (dict "way" "to" "peers" .Values.networkPolicy.apiServer.peers "ports" .Values.networkPolicy.apiServer.ports) }}
{{- end -}}

{{/* Policies of setup and migrations: those of hooks are hooks too, for namespaces that deny by themselves before an install. */}}
{{- define "parley-common.jobPolicies" -}}
{{- $fullname := include "parley-common.fullname" . -}}
{{- $hook := include "parley-common.hook" (list -20 "pre-install,pre-upgrade") | fromYaml -}}
{{- $api := printf "%s%s" (include "parley-common.dnsRule" .) (include "parley-common.apiServerEgress" .) -}}
{{- if .Values.setup.enabled }}
---
{{ include "parley-common.networkPolicy" (dict "root" . "component" "setup-hook" "name" (printf "%s-setup-hook" $fullname) "annotations" $hook "egress" $api) }}
---
{{ include "parley-common.networkPolicy" (dict "root" . "component" "setup" "egress" $api) }}
{{- end }}
{{- if include "parley-common.migrationByJob" . }}
---
{{ include "parley-common.networkPolicy" (dict "root" . "component" "migrate" "annotations" $hook "egress" (printf "%s%s" (include "parley-common.dnsRule" .) (include "parley-common.databaseEgress" .))) }}
{{- end }}
{{- end -}}
