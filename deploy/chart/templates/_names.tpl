{{- define "millrace.labels" -}}
app.kubernetes.io/name: millrace
app.kubernetes.io/component: worker
millrace/class: {{ . }}
{{- end }}

{{- define "millrace.scalerLabels" -}}
app.kubernetes.io/name: millrace
app.kubernetes.io/component: scaler
{{- end }}

{{- define "millrace.gatewayLabels" -}}
app.kubernetes.io/name: millrace
app.kubernetes.io/component: gateway
{{- end }}

{{- /* The names of these two end in a hash of what they hold, so that a change rolls the pods. */}}
{{- define "millrace.settings" -}}
millrace-{{ .Values.settings | toJson | sha256sum | trunc 10 }}
{{- end }}

{{- define "millrace.queues" -}}
millrace-queues-{{ include "millrace.queueList" . | sha256sum | trunc 10 }}
{{- end }}

{{- /* class=queue of all classes, in the order of their size, others behind. */}}
{{- define "millrace.queueList" -}}
{{- $names := concat (list "light" "heavy" "gpu") (keys .Values.classes | sortAlpha) | uniq }}
{{- $parts := list }}
{{- range $class := $names }}
{{- with (get $.Values.classes $class | default dict).queue }}
{{- $parts = append $parts (printf "%s=%s" $class .) }}
{{- end }}
{{- end }}
{{- join "," $parts }}
{{- end }}

{{- /* The keys of AWS and COS, for whoever asks queues and stores. */}}
{{- define "millrace.keys" -}}
{{- with .Values.secrets.aws }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: access-key-id, optional: true}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: secret-access-key, optional: true}
{{- end }}
{{- with .Values.secrets.cos }}
- name: MILLRACE_COS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: access_key_id, optional: true}
- name: MILLRACE_COS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: secret_access_key, optional: true}
{{- end }}
{{- end }}

{{- define "millrace.restricted" -}}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
{{- end }}

{{- /* A duration like 1h30m10s in seconds. */}}
{{- define "millrace.seconds" -}}
{{- $h := regexFind "[0-9]+h" . | trimSuffix "h" | default "0" | int }}
{{- $m := regexFind "[0-9]+m" . | trimSuffix "m" | default "0" | int }}
{{- $s := regexFind "[0-9]+s" . | trimSuffix "s" | default "0" | int }}
{{- add (mul 3600 $h) (mul 60 $m) $s }}
{{- end }}
