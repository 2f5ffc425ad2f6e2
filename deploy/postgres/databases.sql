-- Run once, when the data volume is new. Alerts, Airflow's metadata and MLflow's runs grow and are kept differently.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
