#!/bin/sh
# outputs.sh: main.bicep's outputs of the last deployment that succeeded, azd's or one by the name of main, as NAME=value lines:
#   export AZURE_RESOURCE_GROUP=rg-lydian-prod; eval "$(sh infra/hooks/outputs.sh | sed 's/^/export /')"
. "$(dirname "$0")/common.sh"

need az
want AZURE_RESOURCE_GROUP
# azd names each of its deployments anew, and tags them; without it the template's name is the deployment's.
ours="[?properties.provisioningState=='Succeeded' && (name=='main' || tags.\"azd-env-name\")]"
deployment=${DEPLOYMENT:-$(az deployment group list --resource-group "$AZURE_RESOURCE_GROUP" \
  --query "sort_by($ours, &properties.timestamp)[-1].name" --output tsv)}
[ -n "$deployment" ] || die "nothing has been deployed into $AZURE_RESOURCE_GROUP yet"

# Resource Manager may give a name back with another case, PUBLIC_BASE_URL as publiC_BASE_URL: azd puts that right, az does not.
camel() {
  first=${1%%_*}
  printf '%s%s' "$(printf '%s' "${first%?}" | tr '[:upper:]' '[:lower:]')" "${1#"${first%?}"}"
}
read_output() {
  value=$(az deployment group show --resource-group "$AZURE_RESOURCE_GROUP" --name "$deployment" \
    --query "(properties.outputs.$1 || properties.outputs.$(camel "$1")).value" --output tsv)
  [ -n "$value" ] && [ "$value" != None ] || die "deployment $deployment has no output $1"
}
for name in PUBLIC_BASE_URL FIRST_APP FILES_APP FILES_CONTAINER EVENT_TOPIC KEY_VAULT FUNCTION_APPS; do
  read_output "$name"
  printf '%s=%s\n' "$name" "$(printf '%s' "$value" | tr '\n\t' ',,')"
done
