{{/* The release's name, unless fullnameOverride says otherwise. */}}
{{- define "parley-common.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/*
Name of one component's objects: (list $ "identity") gives R-identity. The chart's main component takes the release's
name alone where that ends with it: the dealer of release "dealer" is "dealer", not "dealer-dealer".
*/}}
{{- define "parley-common.name" -}}
{{- $fullname := include "parley-common.fullname" (index . 0) -}}
{{- $component := index . 1 -}}
{{- if or (eq $component "access-point") (and (eq $component "dealer") (or (eq $fullname "dealer") (hasSuffix "-dealer" $fullname))) -}}
{{- $fullname -}}
{{- else -}}
{{- printf "%s-%s" $fullname $component -}}
{{- end -}}
{{- end -}}

{{/* Labels that select a component's pods: (list $ "identity"). They never change during a release's life. */}}
{{- define "parley-common.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of a component's objects: (list $ "identity"). */}}
{{- define "parley-common.labels" -}}
{{ include "parley-common.podLabels" . }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Those of pods: without the chart's version, whose change alone restarts nothing. */}}
{{- define "parley-common.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "parley-common.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: parley
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of a component's object: (dict "root" $ "component" c "name" n "annotations" map). */}}
{{- define "parley-common.metadata" -}}
{{- $annotations := merge (dict) (.annotations | default dict) (.root.Values.commonAnnotations | default dict) -}}
name: {{ .name | default (include "parley-common.name" (list .root .component)) }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "parley-common.labels" (list .root .component) | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A component's host name within the cluster: (list $ "identity"). */}}
{{- define "parley-common.host" -}}
{{- printf "%s.%s.svc.%s" (include "parley-common.name" .) (index . 0).Release.Namespace (index . 0).Values.clusterDomain -}}
{{- end -}}

{{- define "parley-common.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "parley-common.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
