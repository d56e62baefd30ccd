{{- define "parley-dealer.env" -}}
{{ include "parley-common.certificateEnv" . }}
{{ include "parley-common.databaseEnv" .root }}
{{- with include "parley-common.migrateVariable" .root }}
{{ . }}
{{- end }}
- name: PARLEY_ENROL_LISTEN
  value: 0.0.0.0:8444
{{- with .root.Values.addresses.enrolment }}
- name: PARLEY_ENROL_ADDRESS
  value: {{ . }}
{{- end }}
{{- with .root.Values.addresses.dealer }}
- name: PARLEY_SERVICE_ADDRESSES
  value: dealer={{ . }}
{{- end }}
{{ include "parley-dealer.keyEnv" .root }}
{{- if .root.Values.selfTest.enabled }}
- name: PARLEY_ALLOW_SELF_TEST
  value: "true"
{{- end }}
{{- if .values.voidAtStart }}
- name: PARLEY_DEALER_VOID_AT_START
  value: "true"
{{- end }}
{{- end -}}

{{- define "parley-dealer.keyEnv" -}}
- name: PARLEY_SIGNING_KEY_FILE
  value: /etc/parley/keys/signing.pem
- name: PARLEY_DEALER_KEK_FILE
  value: /etc/parley/keys/dealer.kek
- name: PARLEY_DEALER_KEK_NEXT_FILE
  value: /etc/parley/keys/dealer.kek.next
- name: PARLEY_DEALER_KEK_FORMER_FILE
  value: /etc/parley/keys/dealer.kek.former
{{- end -}}

{{/* Host names in certificates beside those of the cluster. */}}
{{- define "parley-dealer.extraDns" -}}
{{- $hosts := include "parley-common.outsideHosts" (list .) | fromJsonArray -}}
{{- range .Values.addresses -}}
{{- with . }}{{ $hosts = append $hosts (first (splitList ":" .)) }}{{ end -}}
{{- end -}}
{{- concat (list (include "parley-common.name" (list . "dealer")) (include "parley-common.host" (list . "dealer"))) .Values.tls.extraDnsNames $hosts | uniq | toJson -}}
{{- end -}}
