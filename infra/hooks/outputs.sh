#!/bin/sh
# outputs.sh: main.bicep's outputs of the last deployment, as NAME=value lines. For those who deploy without azd:
#   export AZURE_RESOURCE_GROUP=rg-lydian-prod; eval "$(sh infra/hooks/outputs.sh | sed 's/^/export /')"
. "$(dirname "$0")/common.sh"

need az
want AZURE_RESOURCE_GROUP
show() {
  az deployment group show --resource-group "$AZURE_RESOURCE_GROUP" --name "${DEPLOYMENT:-main}" --query "properties.outputs.$1.value" \
    --output "$2"
}
for name in PUBLIC_BASE_URL FIRST_APP FILES_APP FILES_CONTAINER EVENT_TOPIC KEY_VAULT; do
  printf '%s=%s\n' "$name" "$(show "$name" tsv)"
done
printf 'FUNCTION_APPS=%s\n' "$(show FUNCTION_APPS tsv | tr '\n\t' ',,' | sed 's/,*$//')"
