{{/*
Routes from outside. The services end TLS themselves, since they must see the caller's certificate: whatever stands in
front passes the connection through by the host name of its TLS greeting.
*/}}
{{- define "parley-common.routes" -}}
{{- $root := . -}}
{{- $fullname := include "parley-common.fullname" . -}}
{{- with .Values.ingress }}
{{- if .enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" "ingress" "name" $fullname "annotations" .annotations) | nindent 2 }}
spec:
  {{- with .className }}
  ingressClassName: {{ . }}
  {{- end }}
  rules:
    {{- if not .hosts }}
    {{- fail "ingress.hosts: at least one is needed" }}
    {{- end }}
    {{- range .hosts }}
    - host: {{ .host }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ include "parley-common.name" (list $root .component) }}
                port:
                  name: {{ .port }}
    {{- end }}
  tls:
    - hosts:
        {{- range .hosts }}
        - {{ .host }}
        {{- end }}
{{- end }}
{{- end }}
{{- if .Values.gateway.enabled }}
{{- if not (and .Values.gateway.parentRefs .Values.gateway.routes) }}
{{- fail "gateway.parentRefs and gateway.routes: at least one of each is needed" }}
{{- end }}
{{- range .Values.gateway.routes }}
---
apiVersion: {{ $root.Values.gateway.apiVersion }}
kind: TLSRoute
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" .component "name" (printf "%s-%s-%s" $fullname .component .port) "annotations" $root.Values.gateway.annotations) | nindent 2 }}
spec:
  parentRefs:
    {{- toYaml (.parentRefs | default $root.Values.gateway.parentRefs) | nindent 4 }}
  hostnames:
    {{- toYaml .hosts | nindent 4 }}
  rules:
    - backendRefs:
        - name: {{ include "parley-common.name" (list $root .component) }}
          port: {{ eq .port "mtls" | ternary 8443 8444 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Host names under which a component is reached from outside, as JSON: (list $ "identity"); without a component all. */}}
{{- define "parley-common.outsideHosts" -}}
{{- $root := first . -}}
{{- $only := rest . -}}
{{- $hosts := list -}}
{{- range $root.Values.ingress.hosts }}
{{- if or (not $only) (has .component $only) }}{{- $hosts = append $hosts .host }}{{- end }}
{{- end }}
{{- range $root.Values.gateway.routes }}
{{- if or (not $only) (has .component $only) }}{{- $hosts = concat $hosts .hosts }}{{- end }}
{{- end }}
{{- toJson (uniq $hosts) -}}
{{- end -}}
