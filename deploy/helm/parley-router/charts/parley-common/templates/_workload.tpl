{{/* A component that scales: Deployment, ServiceAccount, disruption budget and autoscaler. Takes the pod's context. */}}
{{- define "parley-common.scalable" -}}
{{- include "parley-common.serviceAccount" . }}
---
{{ include "parley-common.deployment" . }}
{{- if .values.podDisruptionBudget.enabled }}
---
{{ include "parley-common.podDisruptionBudget" . }}
{{- end }}
{{- include "parley-common.autoscaler" . }}
{{- end -}}

{{- define "parley-common.deployment" -}}
{{- $v := .values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component "annotations" $v.annotations) | nindent 2 }}
spec:
  {{- if not (or $v.autoscaling.enabled $v.keda.enabled) }}
  replicas: {{ $v.replicas | int }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ $v.rollingUpdate.maxUnavailable }}
      maxSurge: {{ $v.rollingUpdate.maxSurge }}
  selector:
    matchLabels:
      {{- include "parley-common.selectorLabels" (list .root .component) | nindent 6 }}
  template:
    {{- include "parley-common.pod" . | nindent 4 }}
{{- end -}}

{{- define "parley-common.serviceAccountName" -}}
{{- .values.serviceAccount.name | default .name -}}
{{- end -}}

{{- define "parley-common.serviceAccount" -}}
{{- if .values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component "name" (include "parley-common.serviceAccountName" .) "annotations" .values.serviceAccount.annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}
{{- end -}}

{{- define "parley-common.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component) | nindent 2 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "parley-common.selectorLabels" (list .root .component) | nindent 6 }}
{{- end -}}

{{/* HorizontalPodAutoscaler on CPU, or KEDA's ScaledObject on what Prometheus knows; one of them at most. */}}
{{- define "parley-common.autoscaler" -}}
{{- $v := .values -}}
{{- if and $v.autoscaling.enabled $v.keda.enabled -}}
{{- fail (printf "%s: autoscaling.enabled and keda.enabled exclude each other; KEDA makes an autoscaler of its own" .component) -}}
{{- end -}}
{{- if $v.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ .name }}
  minReplicas: {{ $v.autoscaling.minReplicas | int }}
  maxReplicas: {{ $v.autoscaling.maxReplicas | int }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $v.autoscaling.cpuPercent | int }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: {{ $v.autoscaling.scaleDownSeconds | int }}
{{- end }}
{{- if $v.keda.enabled }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component) | nindent 2 }}
spec:
  scaleTargetRef:
    name: {{ .name }}
  minReplicaCount: {{ $v.keda.minReplicas | int }}
  maxReplicaCount: {{ $v.keda.maxReplicas | int }}
  pollingInterval: {{ $v.keda.pollingSeconds | int }}
  cooldownPeriod: {{ $v.keda.cooldownSeconds | int }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: {{ $v.keda.scaleDownSeconds | int }}
  triggers:
    {{- if not $v.keda.triggers }}
    {{- fail (printf "%s.keda.triggers: at least one is needed" .component) }}
    {{- end }}
    {{- range $v.keda.triggers }}
    - type: prometheus
      {{- with .name }}
      name: {{ . }}
      {{- end }}
      metadata:
        serverAddress: {{ required "keda.serverAddress: where Prometheus answers" $v.keda.serverAddress | quote }}
        query: {{ tpl .query $.root | quote }}
        threshold: {{ .threshold | quote }}
        {{- with .activationThreshold }}
        activationThreshold: {{ . | quote }}
        {{- end }}
    {{- end }}
{{- end }}
{{- end -}}
