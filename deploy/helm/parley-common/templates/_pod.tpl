{{/*
Template of a component's pod. Takes its context with, beside what "parley-common.prepare" sets:
  service      the image's command, e.g. identity
  env          variables beyond the common ones (text)
  ports        text          mounts, volumes  text
  initContainers, sidecars   text, optional
*/}}
{{- define "parley-common.pod" -}}
{{- $root := .root -}}
{{- $v := .values -}}
metadata:
  labels:
    {{- include "parley-common.podLabels" (list $root .component) | nindent 4 }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .component }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "parley-common.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "parley-common.gracePeriod" $v }}
  securityContext:
    {{- include "parley-common.podSecurity" $v | nindent 4 }}
  {{- with include "parley-common.imagePullSecrets" $root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "parley-common.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if or .initContainers $v.extraInitContainers }}
  initContainers:
    {{- with .initContainers }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $v.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "parley-common.image" $root }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ .service }}]
      env:
        {{- include "parley-common.env" . | nindent 8 }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $v.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $v.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- .ports | trim | nindent 8 }}
        - name: health
          containerPort: 8081
        {{- if $root.Values.metrics.enabled }}
        - name: metrics
          containerPort: 9464
        {{- end }}
      {{- include "parley-common.probes" $v | nindent 6 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $v.preStopSeconds | int }}
      resources:
        {{- toYaml $v.resources | nindent 8 }}
      securityContext:
        {{- include "parley-common.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: log-level
          mountPath: /etc/parley/log
          readOnly: true
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $v.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .sidecars }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $v.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    - name: log-level
      configMap:
        name: {{ include "parley-common.fullname" $root }}-log-level
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $v.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Time to leave the endpoints, to finish running work, and to close. */}}
{{- define "parley-common.gracePeriod" -}}
{{- .terminationGracePeriodSeconds | default (add (int .preStopSeconds) (int .drainSeconds) 15) | int -}}
{{- end -}}

{{/* Probes of the plaintext health service: mutual TLS is beyond them. */}}
{{- define "parley-common.probes" -}}
startupProbe:
  grpc:
    port: 8081
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: {{ .startupSeconds | int }}
readinessProbe:
  grpc:
    port: 8081
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  grpc:
    port: 8081
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 4
{{- end -}}

{{/* Where a pod may run. */}}
{{- define "parley-common.placement" -}}
{{- $v := .values -}}
{{- with $v.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $v.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $v.topologySpread.enabled }}
topologySpreadConstraints:
  {{- $selector := include "parley-common.selectorLabels" (list .root .component) }}
  {{- range $v.topologySpread.topologyKeys }}
  - maxSkew: {{ $v.topologySpread.maxSkew | int }}
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $v.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}
