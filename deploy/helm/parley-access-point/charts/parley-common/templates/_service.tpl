{{/* ClusterIP service of a component, or what its values say. Takes its context with "ports" a list of names: mtls, enrol. */}}
{{- define "parley-common.service" -}}
{{- $v := .values -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component "annotations" $v.service.annotations) | nindent 2 }}
spec:
  type: {{ $v.service.type }}
  {{- with $v.service.loadBalancerClass }}
  loadBalancerClass: {{ . }}
  {{- end }}
  {{- with $v.service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if ne $v.service.type "ClusterIP" }}
  externalTrafficPolicy: {{ $v.service.externalTrafficPolicy }}
  {{- end }}
  selector:
    {{- include "parley-common.selectorLabels" (list .root .component) | nindent 4 }}
  ports:
    {{- include "parley-common.servicePorts" .servicePorts | trim | nindent 4 }}
{{- end -}}

{{/* Ports by name. HTTP/2 inside TLS: no proxy may take it apart, hence appProtocol tls. */}}
{{- define "parley-common.servicePorts" -}}
{{- $numbers := dict "mtls" 8443 "enrol" 8444 -}}
{{- range . }}
- name: {{ . }}
  port: {{ index $numbers . }}
  targetPort: {{ . }}
  appProtocol: tls
{{- end }}
{{- end -}}

{{- define "parley-common.containerPorts" -}}
{{- $numbers := dict "mtls" 8443 "enrol" 8444 -}}
{{- range . }}
- name: {{ . }}
  containerPort: {{ index $numbers . }}
{{- end }}
{{- end -}}

{{/* Level of all logs of the release; a running pod follows a change within about a minute. */}}
{{- define "parley-common.logLevel" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "log-level" "name" (printf "%s-log-level" (include "parley-common.fullname" .))) | nindent 2 }}
data:
  level: {{ .Values.logLevel }}
{{- end -}}
