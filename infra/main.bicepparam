// az deployment group create -g GROUP -f infra/main.bicep -p infra/main.bicepparam
using './main.bicep'

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'production')
param deploymentMode = readEnvironmentVariable('DEPLOYMENT_MODE', 'integrated')
param frontDoor = readEnvironmentVariable('FRONT_DOOR', 'Standard')
param customDomain = readEnvironmentVariable('CUSTOM_DOMAIN', '')
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')
param monthlyBudget = int(readEnvironmentVariable('MONTHLY_BUDGET', '0'))
param budgetStart = readEnvironmentVariable('BUDGET_START', '')
param secretsOfficerId = readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')
param secretSettings = split(readEnvironmentVariable('SECRET_SETTINGS', 'JWT_PRIVATE_KEY'), ',')
param corsOrigins = json(readEnvironmentVariable('CORS_ORIGINS_JSON', '[]'))
param appSettings = json(readEnvironmentVariable('APP_SETTINGS_JSON', '{}'))
param openAiDeployments = json(readEnvironmentVariable('OPENAI_DEPLOYMENTS_JSON', '[]'))
