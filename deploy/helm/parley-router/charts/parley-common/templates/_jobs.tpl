{{/*
Pod of a short task: (dict "root" $ "component" "setup" "account" name "token" bool "args" list "env" text "mounts" text
"volumes" text "restart" "Never"). It takes the placement of `workload` and the resources of `jobs`.
*/}}
{{- define "parley-common.taskPod" -}}
{{- $root := .root -}}
{{- $v := $root.Values.workload -}}
metadata:
  labels:
    {{- include "parley-common.podLabels" (list $root .component) | nindent 4 }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $v.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: {{ .restart | default "Never" }}
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "parley-common.podSecurity" $v | nindent 4 }}
  {{- with include "parley-common.imagePullSecrets" $root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "parley-common.placement" (dict "root" $root "component" .component "values" (omit $v "topologySpread" | merge (dict "topologySpread" (dict "enabled" false)))) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - {{ include "parley-common.taskContainer" . | nindent 6 | trim }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- if .token }}
    {{- include "parley-common.tokenVolume" $root | nindent 4 }}
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* A container of the image that ends: (dict "root" $ "name" n "args" list or "command" list, "env", "mounts" text). */}}
{{- define "parley-common.taskContainer" -}}
name: {{ .container | default .component }}
image: {{ include "parley-common.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with .command }}
command: {{ toJson . }}
{{- end }}
{{- with .args }}
args: {{ toJson . }}
{{- end }}
{{- with .env }}
env:
  {{- . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .root.Values.jobs.resources | nindent 2 }}
securityContext:
  {{- include "parley-common.containerSecurity" .root | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if .token }}
  {{- include "parley-common.tokenMount" .root | nindent 2 }}
  {{- end }}
  {{- with .mounts }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Annotations of a hook: (list weight events). Removed when it has succeeded, kept for a look when it has not. */}}
{{- define "parley-common.hook" -}}
helm.sh/hook: {{ index . 1 }}
helm.sh/hook-weight: {{ index . 0 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* Account for a hook, which runs before anything else of the release exists: (dict "root" "component" "name" "weight" "events"). */}}
{{- define "parley-common.hookAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "parley-common.metadata" (dict "root" .root "component" .component "name" .name "annotations" (include "parley-common.hook" (list .weight .events) | fromYaml)) | nindent 2 }}
automountServiceAccountToken: false
{{- end -}}

{{/* The account's token for the one container that talks to the Kubernetes API; nothing else in the pod gets it. */}}
{{- define "parley-common.tokenVolume" -}}
- name: api-token
  projected:
    defaultMode: 288
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}

{{- define "parley-common.tokenMount" -}}
- name: api-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}
