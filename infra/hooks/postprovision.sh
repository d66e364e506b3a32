#!/bin/sh
# After the resources are there: the signing key. It is made here, goes straight into the vault, and is never replaced: who
# replaces it signs everybody out (docs/guides/gateway.md says how to rotate it).
. "$(dirname "$0")/common.sh"

need az openssl
want AZURE_RESOURCE_GROUP KEY_VAULT FUNCTION_APPS
# The path is Git Bash's trap: it turns /subscriptions/… into C:/…
export MSYS_NO_PATHCONV=1

readable() { az keyvault secret list --vault-name "$KEY_VAULT" --query '[].name' --output tsv >/dev/null 2>&1; }
retry 30 "waiting for the right to write secrets into $KEY_VAULT" readable

names=$(az keyvault secret list --vault-name "$KEY_VAULT" --query '[].name' --output tsv)
if printf '%s\n' "$names" | grep -qx jwt-private-key; then
  say "the vault has a signing key already"
else
  umask 077
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/key.pem" 2>/dev/null
  az keyvault secret set --vault-name "$KEY_VAULT" --name jwt-private-key --file "$folder/key.pem" --output none
  say "a signing key was made and is in the vault"
fi

# Apps that started before the key was there hold the reference itself; this makes Azure read the vault again.
for app in $(words "$FUNCTION_APPS"); do
  id=$(az functionapp show --resource-group "$AZURE_RESOURCE_GROUP" --name "$app" --query id --output tsv)
  az rest --method post --url "https://management.azure.com$id/config/configreferences/appsettings/refresh?api-version=2022-03-01" --output none
done
say "the apps read the vault again"
