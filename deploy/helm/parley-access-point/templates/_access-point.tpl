{{- define "parley-access-point.organisation" -}}
{{- required "organisation: the name of your organisation, lower-case letters, digits and hyphens" .Values.organisation -}}
{{- end -}}

{{/* host:port where partners' workers reach those of this organisation. */}}
{{- define "parley-access-point.endpoint" -}}
{{- .Values.worker.endpoint | default (printf "%s:8443" (include "parley-common.host" (list . "worker"))) -}}
{{- end -}}

{{/* Host names in the access point's certificate beside that in the cluster: users outside come by them. */}}
{{- define "parley-access-point.extraDns" -}}
{{- concat (list .Values.accessPoint.advertise) (include "parley-common.outsideHosts" (list . "access-point") | fromJsonArray) | compact | uniq | join "," -}}
{{- end -}}

{{/* Host names in workers' certificates. */}}
{{- define "parley-access-point.workerDns" -}}
{{- $endpoint := first (splitList ":" (include "parley-access-point.endpoint" .)) -}}
{{- $outside := include "parley-common.outsideHosts" (list . "worker") | fromJsonArray -}}
{{- concat (list (include "parley-common.host" (list . "worker")) $endpoint) $outside .Values.worker.extraDnsNames | uniq | join "," -}}
{{- end -}}

{{- define "parley-access-point.env" -}}
- name: PARLEY_ORG
  value: {{ include "parley-access-point.organisation" .root }}
- name: PARLEY_DATA_DIR
  value: /var/lib/parley
- name: PARLEY_ENROL_LISTEN
  value: 0.0.0.0:8444
{{- with include "parley-access-point.extraDns" .root }}
- name: PARLEY_EXTRA_DNS
  value: {{ . }}
{{- end }}
- name: PARLEY_WORKER_DNS
  value: {{ include "parley-access-point.workerDns" .root }}
- name: PARLEY_ATTEMPTS
  value: {{ .values.attempts | int | quote }}
- name: PARLEY_MAX_MODEL_BYTES
  value: {{ .values.maxModelBytes | int64 | quote }}
- name: PARLEY_MAX_INPUT_BYTES
  value: {{ .values.maxInputBytes | int64 | quote }}
- name: PARLEY_TRACE_BOUNDARY
  value: {{ .values.traceBoundary }}
- name: PARLEY_PROFILE_DIR
  value: /etc/parley/admin
{{- if .values.adminKeySecret }}
- name: PARLEY_ADMIN_KEY_FILE
  value: /etc/parley/admin-key/api-key
{{- end }}
{{- if .root.Values.selfTest.enabled }}
- name: PARLEY_ALLOW_SELF_TEST
  value: "true"
{{- end }}
{{- end -}}

{{- define "parley-access-point.mounts" -}}
- name: data
  mountPath: /var/lib/parley
- name: admin
  mountPath: /etc/parley/admin
  readOnly: true
{{- if .values.adminKeySecret }}
- name: admin-key
  mountPath: /etc/parley/admin-key
  readOnly: true
{{- end }}
{{- end -}}

{{/* The administrator's profile appears while the pod runs: its sidecar makes it. */}}
{{- define "parley-access-point.volumes" -}}
- name: admin
  secret:
    secretName: {{ include "parley-common.fullname" .root }}-admin
    optional: true
    defaultMode: 288
{{ include "parley-common.tokenVolume" .root }}
{{- if .values.adminKeySecret }}
- name: admin-key
  secret:
    secretName: {{ .values.adminKeySecret }}
    defaultMode: 288
{{- end }}
{{- end -}}

{{/* Keeps the Secrets R-admin and R-worker-token current; it alone has a token for the Kubernetes API. */}}
{{- define "parley-access-point.sidecar" -}}
- name: setup
  image: {{ include "parley-common.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [setup, access-point, --release, {{ include "parley-common.fullname" .root }}]
  env:
    - name: PARLEY_ENV
      value: production
    - name: PARLEY_ORG
      value: {{ include "parley-access-point.organisation" .root }}
    - name: PARLEY_DATA_DIR
      value: /var/lib/parley
    - name: PARLEY_ADVERTISE
      value: {{ include "parley-common.host" (list .root "access-point") }}
    {{- if .values.adminKeySecret }}
    - name: PARLEY_ADMIN_KEY_FILE
      value: /etc/parley/admin-key/api-key
    {{- end }}
  resources:
    {{- toYaml .values.sidecarResources | nindent 4 }}
  securityContext:
    {{- include "parley-common.containerSecurity" .root | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    - name: data
      mountPath: /var/lib/parley
      readOnly: true
    {{- include "parley-common.tokenMount" .root | nindent 4 }}
    {{- if .values.adminKeySecret }}
    - name: admin-key
      mountPath: /etc/parley/admin-key
      readOnly: true
    {{- end }}
{{- end -}}
