{{/*
The same certificates from cert-manager: (dict "root" $ "certificates" (list (dict "role" "identity" "component" "identity"))).
Without an issuer named, the release gets an authority of its own. cert-manager renews; the services reload.
*/}}
{{- define "parley-common.certificates" -}}
{{- $root := .root -}}
{{- $cm := $root.Values.tls.certManager -}}
{{- if $cm.enabled -}}
{{- $fullname := include "parley-common.fullname" $root -}}
{{- $issuer := $cm.issuerRef -}}
{{- if not $cm.issuerRef.name -}}
{{- $issuer = dict "name" (printf "%s-ca" $fullname) "kind" "Issuer" "group" "cert-manager.io" -}}
{{- include "parley-common.ownAuthority" $root -}}
{{- end -}}
{{- range .certificates }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "parley-common.metadata" (dict "root" $root "component" .component "name" (printf "%s-%s" $fullname .role)) | nindent 2 }}
spec:
  secretName: {{ $fullname }}-{{ .role }}-tls
  commonName: {{ .role }}
  uris: ["spiffe://{{ $root.Values.trustDomain }}/{{ .role }}"]
  dnsNames:
    {{- $name := include "parley-common.name" (list $root .component) }}
    {{- $names := list "localhost" $name (printf "%s.%s" $name $root.Release.Namespace) (printf "%s.%s.svc" $name $root.Release.Namespace) (include "parley-common.host" (list $root .component)) }}
    {{- range uniq (concat $names ($.extraDns | default list)) }}
    - {{ . }}
    {{- end }}
  duration: {{ $cm.duration }}
  renewBefore: {{ $cm.renewBefore }}
  usages: [digital signature, server auth, client auth]
  privateKey:
    algorithm: ECDSA
    size: 256
    encoding: PKCS8
    rotationPolicy: Always
  issuerRef:
    name: {{ $issuer.name }}
    kind: {{ $issuer.kind }}
    group: {{ $issuer.group }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "parley-common.ownAuthority" -}}
{{- $fullname := include "parley-common.fullname" . -}}
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "authority" "name" (printf "%s-self-signed" $fullname)) | nindent 2 }}
spec:
  selfSigned: {}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "authority" "name" (printf "%s-ca" $fullname)) | nindent 2 }}
spec:
  isCA: true
  secretName: {{ $fullname }}-authority
  commonName: {{ .Values.trustDomain }}
  uris: ["spiffe://{{ .Values.trustDomain }}"]
  duration: 87600h
  renewBefore: 8760h
  usages: [cert sign, crl sign]
  privateKey:
    algorithm: ECDSA
    size: 256
    encoding: PKCS8
    rotationPolicy: Never
  issuerRef:
    name: {{ $fullname }}-self-signed
    kind: Issuer
    group: cert-manager.io
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  {{- include "parley-common.metadata" (dict "root" . "component" "authority" "name" (printf "%s-ca" $fullname)) | nindent 2 }}
spec:
  ca:
    secretName: {{ $fullname }}-authority
{{- end -}}
