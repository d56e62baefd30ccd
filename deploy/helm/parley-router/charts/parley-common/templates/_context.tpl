{{/*
Completes a component's context. Takes (dict "root" $ "component" "identity" "key" "identity"), `key` being the
component's section of the values; sets "name" and "values": the section laid over `workload`.
*/}}
{{- define "parley-common.prepare" -}}
{{- $values := deepCopy .root.Values.workload -}}
{{- include "parley-common.merge" (list $values (deepCopy (index .root.Values (.key | default .component)))) -}}
{{- $_ := set . "values" $values -}}
{{- $_ := set . "name" (include "parley-common.name" (list .root .component)) -}}
{{- end -}}

{{/* Lays the second map over the first, in place. Sprig's mergeOverwrite would take false and 0 for absent. */}}
{{- define "parley-common.merge" -}}
{{- $into := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $into $key)) -}}
{{- include "parley-common.merge" (list (get $into $key) $value) -}}
{{- else -}}
{{- $_ := set $into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
