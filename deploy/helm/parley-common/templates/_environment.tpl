{{/* Variables of every service; takes a component's context. */}}
{{- define "parley-common.env" -}}
{{- $root := .root -}}
- name: PARLEY_ENV
  value: production
- name: PARLEY_LISTEN
  value: 0.0.0.0:8443
- name: PARLEY_HEALTH_LISTEN
  value: 0.0.0.0:8081
- name: PARLEY_ADVERTISE
  value: {{ include "parley-common.host" (list $root .component) }}
- name: PARLEY_DRAIN_SECONDS
  value: {{ .values.drainSeconds | int | quote }}
- name: PARLEY_LOG_LEVEL
  value: {{ $root.Values.logLevel }}
- name: PARLEY_LOG_LEVEL_FILE
  value: /etc/parley/log/level
{{- if $root.Values.metrics.enabled }}
- name: PARLEY_METRICS_LISTEN
  value: 0.0.0.0:9464
{{- end }}
{{ include "parley-common.telemetryEnv" . }}
{{- end -}}

{{/* OpenTelemetry's own variables: without an endpoint nothing is exported. */}}
{{- define "parley-common.telemetryEnv" -}}
{{- $otlp := .root.Values.telemetry -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if $otlp.endpoint }}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $otlp.endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ $otlp.protocol }}
- name: OTEL_SERVICE_NAME
  value: parley-{{ .component }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "parley-common.resourceAttributes" . | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ $otlp.sampler }}
{{- with $otlp.samplerArgument }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
- name: OTEL_METRIC_EXPORT_INTERVAL
  value: {{ $otlp.metricIntervalMs | int | quote }}
{{- with $otlp.headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: headers
{{- end }}
{{- end }}
{{- end -}}

{{- define "parley-common.resourceAttributes" -}}
{{- $root := .root -}}
{{- $attributes := dict "k8s.namespace.name" $root.Release.Namespace "k8s.pod.name" "$(POD_NAME)" "k8s.node.name" "$(NODE_NAME)" "service.instance.id" "$(POD_NAME)" "service.version" $root.Chart.AppVersion -}}
{{- $pairs := list -}}
{{- range $key, $value := merge (dict) ($root.Values.telemetry.resourceAttributes | default dict) $attributes -}}
{{- $pairs = append $pairs (printf "%s=%v" $key $value) -}}
{{- end -}}
{{- join "," (sortAlpha $pairs) -}}
{{- end -}}

{{/* DATABASE_URL out of the operator's Secret, or of the trial database's. */}}
{{- define "parley-common.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "parley-common.databaseSecret" . }}
      key: DATABASE_URL
{{- end -}}

{{- define "parley-common.databaseSecret" -}}
{{- if .Values.embedded.enabled -}}
{{- printf "%s-database" (include "parley-common.fullname" .) -}}
{{- else -}}
{{- required "database.existingSecret: name a Secret whose key DATABASE_URL holds a postgresql:// address, or set embedded.enabled=true for a trial" .Values.database.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* Files that `parley setup` or cert-manager makes: a certificate with its key and authority, and keys. */}}
{{- define "parley-common.certificateEnv" -}}
- name: PARLEY_TLS_CERT
  value: /etc/parley/tls/tls.crt
- name: PARLEY_TLS_KEY
  value: /etc/parley/tls/tls.key
- name: PARLEY_TLS_CA
  value: /etc/parley/tls/ca.crt
- name: PARLEY_TRUST_DOMAIN
  value: {{ .root.Values.trustDomain }}
- name: PARLEY_DATA_DIR
  value: /var/lib/parley
{{- end -}}

{{/*
Mounts and volumes of an operator's service: (dict "root" $ "role" "identity" "keys" list "otherKeys" list "operator" bool).
"otherKeys" are there only while a key is replaced.
*/}}
{{- define "parley-common.operatorMounts" -}}
- name: data
  mountPath: /var/lib/parley
- name: tls
  mountPath: /etc/parley/tls
  readOnly: true
{{- if .keys }}
- name: keys
  mountPath: /etc/parley/keys
  readOnly: true
{{- end }}
{{- if .operator }}
- name: operator
  mountPath: /etc/parley/operator
  readOnly: true
{{- end }}
{{- end -}}

{{- define "parley-common.operatorVolumes" -}}
{{- $fullname := include "parley-common.fullname" .root -}}
- name: data
  emptyDir: {}
- name: tls
  secret:
    secretName: {{ $fullname }}-{{ .role }}-tls
    defaultMode: 288
{{- if .keys }}
- name: keys
  projected:
    defaultMode: 288
    sources:
      - secret:
          name: {{ $fullname }}-keys
          items:
            {{- range .keys }}
            - key: {{ . }}
              path: {{ . }}
            {{- end }}
      {{- with .otherKeys }}
      - secret:
          name: {{ $fullname }}-keys
          optional: true
          items:
            {{- range . }}
            - key: {{ . }}
              path: {{ . }}
            {{- end }}
      {{- end }}
{{- end }}
{{- if .operator }}
- name: operator
  secret:
    secretName: {{ $fullname }}-operator-tls
    defaultMode: 288
{{- end }}
{{- end -}}
