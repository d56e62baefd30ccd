{{/*
One of the router's services: (dict "root" $ "component" "registry" "env" text "keys" list "otherKeys" list "operator" bool "ports" list).
*/}}
{{- define "parley-router.service" -}}
{{- $ctx := dict "root" .root "component" .component "service" .component "servicePorts" .servicePorts -}}
{{- include "parley-common.prepare" $ctx -}}
{{- $files := dict "root" .root "role" .component "keys" .keys "otherKeys" .otherKeys "operator" .operator -}}
{{- $own := .env | default "" -}}
{{- $_ := set $ctx "env" (list (include "parley-common.certificateEnv" $ctx) (include "parley-common.databaseEnv" .root) (include "parley-common.migrateVariable" .root) $own | compact | join "\n") -}}
{{- $_ := set $ctx "ports" (include "parley-common.containerPorts" .servicePorts) -}}
{{- $_ := set $ctx "mounts" (include "parley-common.operatorMounts" $files) -}}
{{- $_ := set $ctx "volumes" (include "parley-common.operatorVolumes" $files) -}}
{{- $_ := set $ctx "initContainers" (include "parley-common.migrationInit" (dict "root" .root "service" .component "env" (include "parley-router.settings" .root))) -}}
{{ include "parley-common.scalable" $ctx }}
---
{{ include "parley-common.service" $ctx }}
{{- end -}}

{{/* What a service is told about the others: by their names in the cluster, for they are neighbours. */}}
{{- define "parley-router.identityEnv" -}}
- name: PARLEY_IDENTITY_ADDRESS
  value: {{ include "parley-common.host" (list . "identity") }}:8443
{{- end -}}

{{- define "parley-router.schedulerEnv" -}}
{{ include "parley-router.identityEnv" . }}
- name: PARLEY_AGREEMENTS_ADDRESS
  value: {{ include "parley-common.host" (list . "agreements") }}:8443
- name: PARLEY_TICKET_KEK_FILE
  value: /etc/parley/keys/ticket.kek
- name: PARLEY_TICKET_KEK_FORMER_FILE
  value: /etc/parley/keys/ticket.kek.former
- name: REDIS_URL
  valueFrom:
    secretKeyRef:
      {{- if .Values.embedded.enabled }}
      name: {{ include "parley-common.fullname" . }}-redis
      {{- else }}
      name: {{ required "redis.existingSecret: name a Secret whose key REDIS_URL holds a redis:// address, or set embedded.enabled=true for a trial" .Values.redis.existingSecret }}
      {{- end }}
      key: REDIS_URL
{{- end -}}

{{/* Settings that a service insists on, though a migration does not use them. */}}
{{- define "parley-router.settings" -}}
{{ include "parley-router.schedulerEnv" . }}
- name: PARLEY_SIGNING_KEY_FILE
  value: /etc/parley/keys/signing.pem
{{- end -}}

{{/* Where organisations reach the services. */}}
{{- define "parley-router.addresses" -}}
{{- $root := . -}}
{{- $pairs := list -}}
{{- range $service := list "identity" "registry" "agreements" "scheduler" -}}
{{- $address := index $root.Values.addresses $service | default (printf "%s:8443" (include "parley-common.host" (list $root $service))) -}}
{{- $pairs = append $pairs (printf "%s=%s" $service $address) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{/* Host names in certificates beside those of the cluster. */}}
{{- define "parley-router.extraDns" -}}
{{- $hosts := include "parley-common.outsideHosts" (list .) | fromJsonArray -}}
{{- range $service, $address := .Values.addresses -}}
{{- with $address }}{{ $hosts = append $hosts (first (splitList ":" .)) }}{{ end -}}
{{- end -}}
{{- concat .Values.tls.extraDnsNames $hosts | uniq | toJson -}}
{{- end -}}
