{{/*
A PostgreSQL of one replica for trials. Its password is drawn once, and outlives the release as the volume does that needs it.
*/}}
{{- define "parley-common.embeddedDatabase" -}}
{{- if .Values.embedded.enabled -}}
{{- $pg := .Values.embedded.postgresql -}}
{{- $secret := include "parley-common.databaseSecret" . -}}
{{- $password := include "parley-common.drawnPassword" (list . $secret "POSTGRES_PASSWORD") -}}
{{- $labels := include "parley-common.selectorLabels" (list . "postgresql") -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "postgresql" "name" $secret "annotations" (dict "helm.sh/resource-policy" "keep")) | nindent 2 }}
stringData:
  POSTGRES_PASSWORD: {{ $password }}
  DATABASE_URL: postgresql://parley:{{ $password }}@{{ include "parley-common.host" (list . "postgresql") }}:5432/parley
---
apiVersion: v1
kind: Service
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "postgresql") | nindent 2 }}
spec:
  selector:
    {{- $labels | nindent 4 }}
  ports:
    - name: postgresql
      port: 5432
      targetPort: postgresql
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "postgresql") | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ include "parley-common.name" (list . "postgresql") }}
  selector:
    matchLabels:
      {{- $labels | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "parley-common.podLabels" (list . "postgresql") | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "parley-common.podSecurity" $pg | nindent 8 }}
      {{- with include "parley-common.imagePullSecrets" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: postgresql
          image: {{ $pg.image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          env:
            - name: POSTGRES_USER
              value: parley
            - name: POSTGRES_DB
              value: parley
            - name: PGDATA
              value: /var/lib/postgresql/data/pgdata
            - name: POSTGRES_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {{ $secret }}
                  key: POSTGRES_PASSWORD
          ports:
            - name: postgresql
              containerPort: 5432
          {{- include "parley-common.tcpProbes" "postgresql" | nindent 10 }}
          resources:
            {{- toYaml $pg.resources | nindent 12 }}
          securityContext:
            {{- include "parley-common.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - name: data
              mountPath: /var/lib/postgresql/data
            - name: run
              mountPath: /var/run/postgresql
            - name: tmp
              mountPath: /tmp
            - name: shm
              mountPath: /dev/shm
      volumes:
        - name: run
          emptyDir: {}
        - name: tmp
          emptyDir: {}
        - name: shm
          emptyDir:
            medium: Memory
            sizeLimit: 64Mi
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $pg.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $pg.size }}
{{- end -}}
{{- end -}}

{{/* A Valkey (or Redis) of one replica for trials. It stores nothing: the queue is filled again from the database. */}}
{{- define "parley-common.embeddedQueue" -}}
{{- if .Values.embedded.enabled -}}
{{- $valkey := .Values.embedded.valkey -}}
{{- $secret := printf "%s-redis" (include "parley-common.fullname" .) -}}
{{- $password := include "parley-common.drawnPassword" (list . $secret "REDIS_PASSWORD") -}}
{{- $labels := include "parley-common.selectorLabels" (list . "valkey") -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "valkey" "name" $secret) | nindent 2 }}
stringData:
  REDIS_PASSWORD: {{ $password }}
  REDIS_URL: redis://:{{ $password }}@{{ include "parley-common.host" (list . "valkey") }}:6379
---
apiVersion: v1
kind: Service
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "valkey") | nindent 2 }}
spec:
  selector:
    {{- $labels | nindent 4 }}
  ports:
    - name: redis
      port: 6379
      targetPort: redis
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "valkey") | nindent 2 }}
spec:
  replicas: 1
  strategy:
    type: Recreate
  selector:
    matchLabels:
      {{- $labels | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "parley-common.podLabels" (list . "valkey") | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "parley-common.podSecurity" $valkey | nindent 8 }}
      {{- with include "parley-common.imagePullSecrets" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: valkey
          image: {{ $valkey.image }}
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          command: [{{ $valkey.command }}]
          args:
            - --save
            - ""
            - --appendonly
            - "no"
            - --dir
            - /tmp
            - --maxmemory-policy
            - noeviction
            - --requirepass
            - $(REDIS_PASSWORD)
          env:
            - name: REDIS_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {{ $secret }}
                  key: REDIS_PASSWORD
          ports:
            - name: redis
              containerPort: 6379
          {{- include "parley-common.tcpProbes" "redis" | nindent 10 }}
          resources:
            {{- toYaml $valkey.resources | nindent 12 }}
          securityContext:
            {{- include "parley-common.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
      volumes:
        - name: tmp
          emptyDir: {}
{{- end -}}
{{- end -}}

{{/* The password that the Secret holds already, else a new one: (list $ secret key). */}}
{{- define "parley-common.drawnPassword" -}}
{{- $known := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1) -}}
{{- if and $known $known.data (hasKey $known.data (index . 2)) -}}
{{- index $known.data (index . 2) | b64dec -}}
{{- else -}}
{{- randAlphaNum 40 -}}
{{- end -}}
{{- end -}}

{{- define "parley-common.tcpProbes" -}}
startupProbe:
  tcpSocket:
    port: {{ . }}
  periodSeconds: 1
  failureThreshold: 180
readinessProbe:
  tcpSocket:
    port: {{ . }}
  periodSeconds: 5
livenessProbe:
  tcpSocket:
    port: {{ . }}
  periodSeconds: 15
  failureThreshold: 4
{{- end -}}

{{- define "parley-common.embeddedPolicy" -}}
---
{{ include "parley-common.networkPolicy" (dict "root" .root "component" .component "ingress" (include "parley-common.rule" (dict "way" "from" "peers" (include "parley-common.peers" (concat (list .root) .from) | fromJsonArray) "ports" (list .port)))) }}
{{- end -}}
